-- The steps that a call may be made of. After the limits, the arguments have for each its name, how many arguments it has, and those. What
-- they give comes back in order; no other call sees anything between them.
local steps = {}

local function set_of(...)
    local set = {}
    for n = 1, select('#', ...) do
        set[select(n, ...)] = true
    end
    return set
end

local function is_idle(at)
    return call('LLEN', at .. 'wait') == 0 and call('ZCARD', at .. 'prioritized') == 0 and not is_closed(at)
end

-- Adds a task, and claims the head of the lane if there is a request. What is claimed may be the task itself: then it is not sent back.
function steps.enqueue(lane, id, name, data, opts, fixed, created_at, priority, run_at, expires_at, once, webhook, stream, key, request, again, lease, ...)
    local at = lane_base(lane)
    local job = at .. id
    local claims = request ~= ''
    if call('EXISTS', job) == 1 then
        return { 'known', claims and claim_head(lane, request, again, lease, set_of(...)) }
    end
    local holder = key ~= '' and call('HGET', HOLDERS, key)
    local holders_lane = holder and lane_of(holder)
    if holders_lane and call('EXISTS', lane_base(holders_lane) .. holder) == 1 then
        return { 'duplicate', holder }
    end
    local due = run_at ~= '' and tonumber(run_at) or 0
    local delayed = due > now
    local at_once = claims and not delayed and is_idle(at)
    if not at_once and tonumber(call('GET', WAITING) or 0) >= max_waiting then
        return { 'full' }
    end
    if key ~= '' then
        call('HSET', HOLDERS, key, id)
    end
    local member = member_of(id, lane)
    call('SADD', LANES, lane)
    call('ZADD', TASKS, 0, member)
    priority = tonumber(priority)
    local life = { v = 0, s = call('INCR', at .. 'pc'), x = tonumber(expires_at), l = expires_at - created_at, n = 0, e = 0, i = 0 }
    life.o = once == '1' and 1 or nil
    life.w = webhook == '1' and 1 or nil
    life.u = stream == '1' and me or nil
    life.k = key ~= '' and key or nil
    local fields = { 'name', name, 'data', data, 'opts', opts, 'timestamp', created_at, 'delay', 0, 'priority', priority, 'andera', fixed }
    announce(at, 'added', 'jobId', id, 'name', name)
    if at_once then
        announce(at, 'waiting', 'jobId', id)
        take(at, lane, id, job, life, request, lease, fields)
        return { 'new', { id, life.v } }
    end
    call('HSET', job, 'anderaLife', cjson.encode(life), unpack(fields))
    call('INCR', WAITING)
    call('ZADD', EXPIRIES, life.x, member)
    if delayed then
        delay_until(at, lane, id, job, due, life.s, tonumber(created_at))
    else
        place(at, id, life.s, priority, true)
        announce(at, 'waiting', 'jobId', id)
    end
    local claim = claims and claim_head(lane, request, again, lease, set_of(...))
    if not delayed and not (claim and claim[1] == id) then
        tell_claimable(lane)
    end
    if claim and claim[1] == id then
        claim = { id, claim[2] }
    end
    return { 'new', claim }
end

function steps.claim(lane, request, again, lease, ...)
    return claim_head(lane, request, again, lease, set_of(...))
end

function steps.claim_task(id, request, again, lease)
    return claim_one(id, request, again, lease)
end

function steps.renew(lane, id, token, lease)
    local job = lane_base(lane) .. id
    local life = life_of(job)
    if not is_held(life, token) then
        return 'lost'
    end
    lease_until(lane, id, job, life, lease)
    -- The message may not have been heard.
    return life.q and 'stop' or 'held'
end

-- `attempt` is the run that has ended, or ''; then come the moment of the next one for a retry, or what `finish` wants.
function steps.settle(lane, id, token, attempt, what, ...)
    local at = lane_base(lane)
    local job = at .. id
    local told = call('HMGET', job, 'anderaLife', 'anderaAttempts')
    local life, attempts = told[1] and cjson.decode(told[1]), told[2] or ''
    if life and life.zt == tonumber(token) then
        return life.zw
    end
    if life and life.y and not life.r and life.v == tonumber(token) and take_away(at, id) then
        -- Its lease ran out, but nobody else has claimed it since: the run counts.
        life.y = nil
        call('DECR', WAITING)
        call('ZREM', EXPIRIES, member_of(id, lane))
    elseif not is_held(life, token) or not let_go(at, lane, id, job) then
        return 'lost'
    end
    if attempt ~= '' then
        life.n = life.n + 1
        attempts = attempts .. attempt .. '\n'
    end
    life.zt = life.v
    if what ~= 'retry' then
        life.zw = 'ended'
        finish(at, lane, id, job, life, { what, ... }, 'active', attempt ~= '' and attempts or nil)
        if is_idle(at) then
            emptied = at
            if call('LLEN', at .. 'active') == 0 then
                announce(at, 'drained')
            end
        end
        return 'ended'
    end
    if attempt ~= '' then
        call('HSET', job, 'anderaAttempts', attempts, 'atm', life.n)
    end
    local due = ...
    if due == '' then
        life.zw = 'now'
        wait_again(at, lane, id, job, life, 'active')
        return 'now'
    end
    life.zw, life.r = 'later', nil
    call('HSET', job, 'anderaLife', cjson.encode(life))
    call('ZADD', EXPIRIES, life.x, member_of(id, lane))
    call('INCR', WAITING)
    delay_until(at, lane, id, job, tonumber(due), life.s, tonumber(call('HGET', job, 'timestamp')))
    return 'later'
end

function steps.release(lane, id, token, interrupted)
    local at = lane_base(lane)
    local job = at .. id
    local life = life_of(job)
    if not is_held(life, token) or not let_go(at, lane, id, job) then
        return 'lost'
    end
    if interrupted == '1' then
        return interrupt(at, lane, id, job, life)
    end
    call('HINCRBY', job, 'ats', -1)
    wait_again(at, lane, id, job, life, 'active')
    return 'waits'
end
