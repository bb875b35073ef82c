#!/bin/bash
# Tries the Dockerfile and the compose files for real, from a clean clone of HEAD, as docs/docker.md tells people to use them.
# Needs Docker (20.10 or later), docker-compose 1.29 or Compose v2, curl and git; CI does not run it.
#
#   tests/docker.sh                   builds the image, then tries it (a release build: minutes)
#   SKIP_BUILD=1 tests/docker.sh      tries the image andera-load-balancer that is there
#   PORT=4100 tests/docker.sh         uses another port than 4000
set -euo pipefail

export PORT="${PORT:-4000}" COMPOSE_PROJECT_NAME=andera-lb-trial
repository=$(cd "$(dirname "$0")/.." && pwd)
directory=$(mktemp -d)
worker=andera-lb-trial-worker
key=change-me
address="http://127.0.0.1:$PORT"
own_network=
container=

if docker compose version >/dev/null 2>&1; then compose=(docker compose); else compose=(docker-compose); fi

say() { printf '\n== %s\n' "$*"; }
fail() {
    printf 'FAILED: %s\n' "$*" >&2
    docker logs "$container" 2>&1 | tail -n 30 >&2 || true
    exit 1
}
start() {
    "${compose[@]}" "$@" up -d --no-build
    container=$("${compose[@]}" ps -q andera-load-balancer)
    within 60 is_healthy "$container"
}
inside() { docker exec "$container" "$@"; }
state() { docker inspect --format "$1" "$2"; }
milliseconds() { echo $(($(date +%s%N) / 1000000)); }
workers() { curl -sS -H "Authorization: $key" "$address/health"; }

# Waits up to $1 seconds until the rest is a command that succeeds, and says how long it took.
within() {
    local limit=$1 began
    began=$(milliseconds)
    shift
    until "$@" >/dev/null 2>&1; do
        (($(milliseconds) - began < limit * 1000)) || fail "not within $limit s: $*"
        sleep 0.05
    done
    printf '%s: after %d ms\n' "$*" $(($(milliseconds) - began))
}

clean_up() {
    cd "$directory/clone" 2>/dev/null || return
    docker rm --force "$worker" >/dev/null 2>&1 || true
    "${compose[@]}" down --volumes >/dev/null 2>&1 || true
    [[ -z $own_network ]] || docker network rm andera-net >/dev/null 2>&1 || true
    cd / && rm -rf "$directory"
}

if docker network inspect andera-net >/dev/null 2>&1; then
    echo "There is a network andera-net already: this trial makes and removes one of that name, so it does not run." >&2
    exit 1
fi
own_network=yes
trap clean_up EXIT

say "a clean clone"
git clone --quiet "$repository" "$directory/clone"
# The container's user is not the owner; mktemp lets nobody else in.
chmod 755 "$directory"
cd "$directory/clone"
cp .env.example .env
"${compose[@]}" config --quiet
"${compose[@]}" -f docker-compose.yml -f docker-compose.external-net.yml config --quiet

if [[ -z ${SKIP_BUILD:-} ]]; then
    say "the image"
    docker build --network host --tag andera-load-balancer .
fi
docker images andera-load-balancer

start_worker() {
    docker run --detach --name "$worker" --network andera-net --env AUTH_KEY=worker-key --env LB_AUTH_KEY="$key" \
        --health-cmd "andera-lb health --url http://127.0.0.1:3000" --health-interval 2s \
        andera-load-balancer worker --host 0.0.0.0 >/dev/null
}
is_healthy() { [[ $(state '{{.State.Health.Status}}' "$1") == healthy ]]; }
is_listed() { workers | grep -q "\"url\":\"$1\""; }
# The only one of the list; the balancer's own status comes before the list.
is_ready() { is_listed "$1" && workers | sed 's/.*"workers"://' | grep -q '"status":"ready"'; }
is_gone() { ! is_listed "$1"; }
warns() { docker logs "$container" 2>&1 | grep -q "$1"; }

task() { # mode function input
    curl -sS --max-time 30 "$address/task" -H 'Content-Type: application/json' -H "Authorization: $key" \
        -H 'x-wr-auth: worker-key' -d "{\"group\":\"default\",\"contract\":1,\"mode\":\"$1\",\"function\":\"$2\",\"input\":$3}"
}

say "up"
start
redis=$("${compose[@]}" ps -q redis)
healthy_at=$(state '{{range .State.Health.Log}}{{if eq .ExitCode 0}}{{.End.UnixNano}} {{end}}{{end}}' "$redis" | cut -d' ' -f1)
started_at=$(date -d "$(state '{{.State.StartedAt}}' "$container")" +%s%N)
((started_at > healthy_at)) || fail "the balancer was started before Redis was healthy"
[[ $(curl -sS "$address/health") == '{"status":"ready"}' ]] || fail "/health"
[[ $(docker port "$container") == "$PORT/tcp -> 127.0.0.1:$PORT" ]] || fail "the port is bound to more than 127.0.0.1"
docker network inspect --format '{{.Name}}' andera-net
docker exec "$redis" redis-cli config get appendonly | grep -qx yes || fail "Redis without append-only file"
docker exec "$redis" redis-cli config get maxmemory-policy | grep -qx noeviction || fail "Redis may evict"

say "what the process may do"
[[ $(inside stat -c '%u %n' /proc/1) == "10001 /proc/1" ]] || fail "not the user 10001"
inside grep -qE '^CapEff:\s+0+$' /proc/1/status || fail "it has capabilities"
inside touch /app/data/probe && inside rm /app/data/probe
for path in /probe /tmp/probe /app/probe /app/workers.json /app/policies/probe; do
    if inside touch "$path" 2>/dev/null; then fail "$path can be written"; fi
done

say "workers.json edited in place"
start_worker
within 30 is_healthy "$worker"
echo "[\"http://$worker:3000\"]" >workers.json
within 1 is_listed "http://$worker:3000"
within 5 is_ready "http://$worker:3000"
echo "[\"http://$worker:3000\"" >workers.json
within 5 warns "the last good worker list stays in force"
is_listed "http://$worker:3000" || fail "a broken file emptied the list"
echo "[\"http://$worker:3000\"]" >workers.json
within 5 warns "the workers file is good again"

say "tasks"
answer=$(task sync hello '{"name":"Docker"}')
[[ $answer == '{"success":true,"result":{"message":"Hello Docker!"}}' ]] || fail "sync: $answer"
answer=$(task stream countdown '{"from":3,"ms":100}')
[[ -n $answer ]] || fail "stream without an answer"
echo "$answer"

say "tasks are kept in Redis"
redis_cli() { docker exec "$redis" redis-cli "$@"; }
[[ $(redis_cli exists bull:andera-tasks) == 1 ]] || fail "no tasks in Redis"
later=$(task async hello '{"name":"later"},"options":{"delayMs":8000}' | sed -E 's/.*"taskId":"([^"]+)".*/\1/')
"${compose[@]}" restart andera-load-balancer
ends_well() { curl -sS -H "Authorization: $key" "$address/tasks/$1" | grep -q '"state":"completed"'; }
within 60 ends_well "$later"

say "workers.json replaced by rename"
echo '["http://somewhere-else:3000"]' >workers.new
mv workers.new workers.json
within 5 warns "the workers file has been replaced"
is_listed "http://$worker:3000" || fail "the list changed"
"${compose[@]}" restart andera-load-balancer
within 30 is_listed http://somewhere-else:3000
echo "[\"http://$worker:3000\"]" >workers.json
within 1 is_gone http://somewhere-else:3000
within 5 is_ready "http://$worker:3000"

say "stop drains"
task sync sleep '{"ms":4000}' >answer &
client=$!
within 5 bash -c "curl -sS -H 'Authorization: $key' $address/health | grep -q '\"used\":1'"
began=$(milliseconds)
"${compose[@]}" stop andera-load-balancer
echo "stopped after $(($(milliseconds) - began)) ms"
wait "$client" || fail "the client of the running task was cut off"
cat answer && echo
grep -q '"success":true' answer || fail "the running task did not end well"
[[ $(state '{{.State.ExitCode}}' "$container") == 0 ]] || fail "exit code $(state '{{.State.ExitCode}}' "$container")"

say "two balancers behind one port"
docker rm --force "$worker" >/dev/null
"${compose[@]}" down
fleet=("${compose[@]}" -f docker-compose.fleet.yml --profile sample)
echo '["http://sample-worker:3000"]' >workers.json
"${fleet[@]}" up -d --no-build
within 60 bash -c "curl -sS -H 'Authorization: $key' $address/health | sed 's/.*\"workers\"://' | grep -q '\"status\":\"ready\"'"
redis=$("${fleet[@]}" ps -q redis)
for n in $(seq 40); do
    answer=$(task sync hello "{\"name\":\"fleet $n\"}")
    grep -q '"success":true' <<<"$answer" || fail "task $n of the fleet: $answer"
done
names=$(redis_cli zrange bull:tasks.default.1:completed -40 -1 | while read -r id; do redis_cli hget "bull:tasks.default.1:$id" pb </dev/null; done | sort -u | wc -l)
[[ $names == 2 ]] || fail "$names balancers have run tasks, not 2"
"${fleet[@]}" down

say "a network that exists already"
if docker network inspect andera-net >/dev/null 2>&1; then fail "down left the network"; fi
docker network create andera-net >/dev/null
files=(-f docker-compose.yml -f docker-compose.external-net.yml)
start "${files[@]}"
"${compose[@]}" "${files[@]}" down
docker network inspect andera-net >/dev/null || fail "down removed the network"

say "all as it should be"
