-- Claims and how they end.

-- Where the client of a stream is; nil if it is here, and of other tasks.
local function whereabouts(life)
    if not life.u or life.u == me then
        return nil
    end
    return call('EXISTS', BALANCER .. life.u) == 1 and 'elsewhere' or 'gone'
end

-- What a claim tells of a task.
local function claimed(id, job, life)
    local told = call('HMGET', job, 'name', 'data', 'andera', 'anderaLife', 'anderaAttempts', 'priority')
    told[7] = whereabouts(life)
    return { id, life.v, unpack(told, 1, 7) }
end

local function lease_until(lane, id, job, life, lease)
    call('SET', job .. ':lock', me .. '-' .. life.v, 'PX', lease)
    call('ZADD', LEASES, now + lease, member_of(id, lane))
end

-- Claims a task that does not wait any more. A new one comes with its fields, which are written here.
local function take(at, lane, id, job, life, request, lease, fields)
    life.v = life.v + 1
    life.r, life.q, life.y, life.h = request, nil, nil, nil
    call('LPUSH', at .. 'active', id)
    lease_until(lane, id, job, life, lease)
    if fields then
        call('HSET', job, 'anderaLife', cjson.encode(life), 'processedOn', now, 'pb', me, 'ats', 1, unpack(fields))
    else
        call('HSET', job, 'anderaLife', cjson.encode(life), 'processedOn', now, 'pb', me)
        call('HINCRBY', job, 'ats', 1)
    end
    announce(at, 'active', 'jobId', id, 'prev', 'waiting')
end

-- How many jobs of other tools a claim passes over: it comes again when they have been taken in.
local PASSED_OVER = 1000

-- A stream is claimed for the balancer that has its client: not by others as long as that one may not be back yet.
local function is_open(life)
    return judges_others or not life.u or life.u == me
end

-- A task that waits and can be claimed: its life; else nil, and whether it is a job of another tool.
local function claimable(at, lane, id)
    local job = at .. id
    local life = life_of(job)
    if life and life.f then
        -- Another tool has had it run again.
        begin_again(at, lane, id, job, life, now + life.l)
        return life
    end
    if not life and call('EXISTS', job) == 1 then
        -- It is taken in first.
        call('SADD', FOREIGN, lane)
        return nil, true
    end
    -- What has expired is left to the round, which tells everybody.
    return life and life.x > now and is_open(life) and life or nil
end

-- The head of a lane, taken from its place: its id and life.
local function take_head(at, lane, skip)
    local wait, size, seen, passed = at .. 'wait', 1, 0, 0
    local function life_at_head(id)
        if skip[id] then
            return nil
        end
        local life, foreign = claimable(at, lane, id)
        passed = foreign and passed + 1 or passed
        return life
    end
    while true do
        local ids = call('LRANGE', wait, -seen - size, -seen - 1)
        for n = #ids, 1, -1 do
            local life = life_at_head(ids[n])
            if life then
                call('LREM', wait, -1, ids[n])
                return ids[n], life
            end
        end
        if passed >= PASSED_OVER then
            return nil
        end
        if #ids < size then
            break
        end
        seen, size = seen + size, 64
    end
    seen, size = 0, 1
    while true do
        local ids = call('ZRANGE', at .. 'prioritized', seen, seen + size - 1)
        for _, id in ipairs(ids) do
            local life = life_at_head(id)
            if life then
                call('ZREM', at .. 'prioritized', id)
                return id, life
            end
        end
        if #ids < size or passed >= PASSED_OVER then
            return nil
        end
        seen, size = seen + size, 64
    end
end

-- The task that an earlier try of the same request took; its lease begins anew.
local function taken_before(at, lane, request, lease)
    for _, id in ipairs(call('LRANGE', at .. 'active', 0, -1)) do
        local life = life_of(at .. id)
        if life and life.r == request then
            lease_until(lane, id, at .. id, life, lease)
            return claimed(id, at .. id, life)
        end
    end
    return nil
end

local function claim_head(lane, request, again, lease, skip)
    local at = lane_base(lane)
    local before = again == '1' and taken_before(at, lane, request, lease)
    if before then
        return before
    end
    if emptied == at or is_closed(at) then
        return false
    end
    local id, life = take_head(at, lane, skip)
    if not id then
        return false
    end
    call('DECR', WAITING)
    call('ZREM', EXPIRIES, member_of(id, lane))
    take(at, lane, id, at .. id, life, request, lease)
    return claimed(id, at .. id, life)
end

local function claim_one(id, request, again, lease)
    local lane = lane_of(id)
    if not lane then
        return false
    end
    local at = lane_base(lane)
    local before = again == '1' and taken_before(at, lane, request, lease)
    if before then
        return { lane, before }
    end
    local job = at .. id
    local life = life_of(job)
    if not life or not is_open(life) or is_closed(at) or state_of(at, id, job, life) ~= 'queued' then
        return false
    end
    if life.f then
        life = claimable(at, lane, id)
    end
    if not take_away(at, id) then
        return false
    end
    call('DECR', WAITING)
    call('ZREM', EXPIRIES, member_of(id, lane))
    take(at, lane, id, job, life, request, lease)
    return { lane, claimed(id, job, life) }
end

-- Whether a task is claimed with that token.
local function is_held(life, token)
    return life and life.r and life.v == tonumber(token)
end

-- Ends a claim; false if it is not the present one.
local function let_go(at, lane, id, job)
    if call('LREM', at .. 'active', -1, id) == 0 then
        return false
    end
    call('ZREM', LEASES, member_of(id, lane))
    call('DEL', job .. ':lock')
    return true
end

-- Has a task that was claimed wait again, in its place.
local function wait_again(at, lane, id, job, life, prev)
    life.r = nil
    call('HSET', job, 'anderaLife', cjson.encode(life))
    call('ZADD', EXPIRIES, life.x, member_of(id, lane))
    call('INCR', WAITING)
    place(at, id, life.s, tonumber(call('HGET', job, 'priority')) or 0)
    announce(at, 'waiting', 'jobId', id, 'prev', prev)
    tell_claimable(lane)
end

local function interrupt(at, lane, id, job, life)
    life.i = life.i + 1
    call('HINCRBY', job, 'stc', 1)
    if life.i > max_interruptions or life.o then
        finish(at, lane, id, job, life, rule('interrupted', 'The task was interrupted ' .. life.i .. ' times'), 'active')
        return 'failed'
    end
    wait_again(at, lane, id, job, life, 'active')
    return 'waits'
end
