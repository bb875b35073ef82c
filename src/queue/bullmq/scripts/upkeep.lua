-- Steps of the queue's own.

function steps.all_counts()
    local told = {}
    for _, lane in ipairs(call('SMEMBERS', LANES)) do
        told[#told + 1] = counts_of(lane)
    end
    return told
end

-- All lanes; sets right what other tools have changed without telling.
function steps.sweep()
    local told, waiting = {}, 0
    for _, lane in ipairs(call('SMEMBERS', LANES)) do
        local counts = counts_of(lane)
        told[#told + 1] = counts
        waiting = waiting + counts[2] + counts[3]
        if counts[3] > 0 then
            set_alarm(lane_base(lane), lane)
        end
        local at = lane_base(lane)
        -- BullMQ counts every job that it adds; we do not.
        local last = call('GET', at .. 'id')
        if last and (last ~= call('HGET', COUNTED, lane) or call('ZCARD', at .. 'waiting-children') > 0) then
            call('SADD', FOREIGN, lane)
        end
        if counts[7] > 0 then
            for _, id in ipairs(call('SRANDMEMBER', at .. 'andera-cancelled', 16)) do
                if not call('ZSCORE', at .. 'failed', id) then
                    call('SREM', at .. 'andera-cancelled', id)
                end
            end
        end
    end
    call('SET', WAITING, waiting)
    return told
end

local PORTION = 256

local function promote_due(told)
    for _, lane in ipairs(call('ZRANGEBYSCORE', DUE, 0, now, 'LIMIT', 0, 16)) do
        local at = lane_base(lane)
        local due = call('ZRANGEBYSCORE', at .. 'delayed', 0, (now + 1) * DELAY_STEP - 1, 'LIMIT', 0, PORTION)
        for _, id in ipairs(due) do
            call('ZREM', at .. 'delayed', id)
            promote(at, lane, id, at .. id, life_of(at .. id))
        end
        set_alarm(at, lane)
        if #due > 0 then
            tell_claimable(lane)
            told[#told + 1] = { 'claimable', lane }
        end
    end
end

local function expire(told)
    for _, member in ipairs(call('ZRANGEBYSCORE', EXPIRIES, 0, now, 'LIMIT', 0, PORTION)) do
        call('ZREM', EXPIRIES, member)
        local id, lane = parts_of(member)
        local at = lane_base(lane)
        local job = at .. id
        local life = life_of(job)
        local state = life and not life.r and state_of(at, id, job, life)
        if (state == 'queued' or state == 'delayed') and take_away(at, id) then
            call('DECR', WAITING)
            finish(at, lane, id, job, life, rule('expired', 'The task waited too long'), 'waiting')
            told[#told + 1] = { 'ended', id, 'failed', 'expired' }
        elseif life and not life.f and (state == 'completed' or state == 'failed') then
            -- A worker of another tool has run it: from here on it counts among the ended ones.
            life.f, life.t, life.b = now, state, size_of(job, 0)
            call('HSET', job, 'anderaLife', cjson.encode(life))
            call('ZADD', ENDED, now, member)
            call('INCRBY', BYTES, life.b)
        end
    end
end

local function take_back(told)
    for _, member in ipairs(call('ZRANGEBYSCORE', LEASES, 0, now, 'LIMIT', 0, PORTION)) do
        call('ZREM', LEASES, member)
        local id, lane = parts_of(member)
        local at = lane_base(lane)
        local job = at .. id
        local life = life_of(job)
        if life and life.r and let_go(at, lane, id, job) then
            announce(at, 'stalled', 'jobId', id)
            life.y = 1
            if interrupt(at, lane, id, job, life) == 'waits' then
                told[#told + 1] = { 'claimable', lane }
            else
                told[#told + 1] = { 'ended', id, 'failed', 'interrupted' }
            end
        end
    end
end

local function first_score(key)
    local first = call('ZRANGE', key, 0, 0, 'WITHSCORES')
    return tonumber(first[2]) or math.huge
end

-- Says that this balancer is there, for so many ms.
function steps.here(ms)
    call('SET', BALANCER .. me, 1, 'PX', ms)
end

-- This balancer goes.
function steps.leave()
    call('DEL', BALANCER .. me)
end

-- What falls due: delays, expiries, leases and retention. Gives what happened, and in how many ms there is more to do.
function steps.round()
    local told = {}
    promote_due(told)
    expire(told)
    if judges_others then
        take_back(told)
    end
    if evict(2 * PORTION) == 2 * PORTION then
        return { told, 0 }
    end
    local due = math.min(first_score(DUE), first_score(EXPIRIES), judges_others and first_score(LEASES) or math.huge)
    return { told, due < math.huge and math.max(due - now, 0) or false }
end

-- The name that the first balancer gave to what is stored: another one, or none, is another store.
function steps.identity(proposed)
    local key = base .. 'andera-store'
    if call('SET', key, proposed, 'NX') then
        return proposed
    end
    return call('GET', key)
end
