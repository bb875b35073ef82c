-- Steps that change a task or a lane on request.

-- Runs `act(at, lane, job, life, state)` for a known task; `otherwise` is given for others.
local function with_task(id, otherwise, act)
    local lane = lane_of(id)
    local at = lane and lane_base(lane)
    local job = at and at .. id
    local life = job and life_of(job)
    if not life then
        if lane then
            -- Another tool has removed it.
            forget(member_of(id, lane))
        end
        return otherwise
    end
    return act(at, lane, job, life, state_of(at, id, job, life))
end

function steps.cancel(id, ...)
    local finishing = { ... }
    return with_task(id, 'unknown', function(at, lane, job, life, state)
        if state == 'running' then
            return 'running'
        elseif state ~= 'queued' and state ~= 'delayed' then
            return 'ended'
        elseif not take_away(at, id) then
            return 'running'
        end
        call('DECR', WAITING)
        finish(at, lane, id, job, life, finishing, state == 'delayed' and 'delayed' or 'waiting')
        return 'done'
    end)
end

-- Tells whoever runs a task to stop it.
function steps.ask_to_stop(id)
    return with_task(id, 0, function(at, lane, job, life)
        if not life.r then
            return 0
        end
        life.q = 1
        call('HSET', job, 'anderaLife', cjson.encode(life))
        call('PUBLISH', CHANNEL, 'stop ' .. me .. ' ' .. id)
        return 1
    end)
end

-- Takes a claim over from the balancer that has it, for the one that has the task's client; false if that is not the present claim.
function steps.take_over(lane, id, token, request, again, lease)
    local at = lane_base(lane)
    local job = at .. id
    local life = life_of(job)
    if not life or life.u ~= me then
        return false
    end
    local before = again == '1' and life.r == request and life.h == tonumber(token)
    if not before then
        if not is_held(life, token) then
            return false
        end
        life.h, life.v, life.r = life.v, life.v + 1, request
        call('HSET', job, 'anderaLife', cjson.encode(life), 'pb', me)
    end
    lease_until(lane, id, job, life, lease)
    return claimed(id, job, life)
end

-- Whether the present claim of a task was taken over from the one with that token.
function steps.is_taken_over(lane, id, token)
    local life = life_of(lane_base(lane) .. id)
    return life and life.r and life.h == tonumber(token) and 1 or 0
end

local function promote(at, lane, id, job, life)
    call('HSET', job, 'delay', 0)
    local priority = tonumber(call('HGET', job, 'priority')) or 0
    place(at, id, life and life.s or call('INCR', at .. 'pc'), priority, not life)
    if not life then
        call('SADD', FOREIGN, lane)
    end
    announce(at, 'waiting', 'jobId', id, 'prev', 'delayed')
end

function steps.promote(id)
    return with_task(id, false, function(at, lane, job, life)
        if call('ZREM', at .. 'delayed', id) == 0 then
            return false
        end
        promote(at, lane, id, job, life)
        set_alarm(at, lane)
        tell_claimable(lane)
        return { lane }
    end)
end

function steps.requeue(id, expires_at)
    return with_task(id, 'unknown', function(at, lane, job, life, state)
        if state == 'queued' or state == 'delayed' or state == 'running' then
            return 'waits'
        elseif tonumber(call('GET', WAITING) or 0) >= max_waiting then
            return 'full'
        end
        call('ZREM', at .. 'completed', id)
        call('ZREM', at .. 'failed', id)
        begin_again(at, lane, id, job, life, tonumber(expires_at))
        call('HSET', job, 'anderaLife', cjson.encode(life))
        call('ZADD', EXPIRIES, life.x, member_of(id, lane))
        call('INCR', WAITING)
        place(at, id, life.s, tonumber(call('HGET', job, 'priority')) or 0, true)
        announce(at, 'waiting', 'jobId', id, 'prev', state == 'completed' and 'completed' or 'failed')
        tell_claimable(lane)
        return { lane }
    end)
end

function steps.reprioritize(id, priority)
    return with_task(id, 0, function(at, lane, job, life, state)
        if state == 'queued' then
            if not take_away(at, id) then
                return 0
            end
            place(at, id, life.s, tonumber(priority))
        elseif state ~= 'delayed' then
            return 0
        end
        call('HSET', job, 'priority', priority)
        return 1
    end)
end

function steps.pause(lane, paused)
    local at = lane_base(lane)
    call('SADD', LANES, lane)
    if paused == '1' then
        call('HSET', at .. 'meta', 'paused', 1)
        call('DEL', at .. 'marker')
        announce(at, 'paused')
        return 1
    end
    call('HDEL', at .. 'meta', 'paused')
    -- Earlier versions of BullMQ keep the tasks of a paused queue in a list of their own.
    while call('LMOVE', at .. 'paused', at .. 'wait', 'LEFT', 'RIGHT') do end
    if call('LLEN', at .. 'wait') + call('ZCARD', at .. 'prioritized') > 0 then
        call('ZADD', at .. 'marker', 0, '0')
    end
    if call('ZCARD', at .. 'delayed') > 0 then
        set_alarm(at, lane)
    end
    announce(at, 'resumed')
    tell_claimable(lane)
    return 1
end

-- Forgets a task that ended at that moment.
function steps.forget(id, ended_at)
    return with_task(id, 0, function(at, lane, job)
        local score = call('ZSCORE', at .. 'completed', id) or call('ZSCORE', at .. 'failed', id)
        if tonumber(score) ~= tonumber(ended_at) then
            return 0
        end
        forget(member_of(id, lane))
        announce(at, 'removed', 'jobId', id)
        return 1
    end)
end

function steps.notice_done(id, ended_at)
    return with_task(id, 0, function(at, lane, job, life)
        local member = member_of(id, lane)
        if tonumber(call('ZSCORE', OWED, member) or -1) ~= tonumber(ended_at) then
            return 0
        end
        call('ZREM', OWED, member)
        call('DEL', TELLER .. id)
        call('ZADD', ENDED, ended_at, member)
        call('INCRBY', BYTES, life.b or 0)
        evict(2)
        return 1
    end)
end
