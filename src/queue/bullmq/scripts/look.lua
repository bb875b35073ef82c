-- Steps that look.

-- What is known of a task; with `brief` only where it stands.
function steps.look(id, brief)
    return with_task(id, false, function(at, lane, job, life, state)
        if brief == '1' then
            return state
        end
        local told = call('HMGET', job, 'name', 'data', 'andera', 'anderaLife', 'anderaAttempts', 'priority', 'finishedOn', 'failedReason',
            'returnvalue', 'anderaEnd')
        local due = state == 'delayed' and math.floor(tonumber(call('ZSCORE', at .. 'delayed', id)) / DELAY_STEP)
        local owes = life.w and call('ZSCORE', OWED, member_of(id, lane)) and 1 or 0
        return { lane, state, due, owes, unpack(told, 1, 10) }
    end)
end

function steps.position(id, most)
    return with_task(id, false, function(at, lane, job, life, state)
        if state ~= 'queued' then
            return false
        end
        local wait = at .. 'wait'
        local rank = call('ZRANK', at .. 'prioritized', id)
        if rank then
            return rank + call('LLEN', wait)
        end
        local index = call('LPOS', wait, id, 'RANK', -1, 'MAXLEN', most + 1)
        return index and call('LLEN', wait) - 1 - index or false
    end)
end

-- Up to so many members of the index below one ('' for the end), newest first.
function steps.newest(before, most)
    return call('ZREVRANGEBYLEX', TASKS, before == '' and '+' or '(' .. before, '-', 'LIMIT', 0, most)
end

-- The first task that is queued without a priority, and the first of each priority, the best few of them: the oldest is among these.
function steps.oldest(lane, most)
    local at = lane_base(lane)
    local ids = { call('LINDEX', at .. 'wait', -1) or nil }
    local from = '-inf'
    for _ = 1, most do
        local first = call('ZRANGEBYSCORE', at .. 'prioritized', from, '+inf', 'WITHSCORES', 'LIMIT', 0, 1)
        if not first[1] then
            break
        end
        ids[#ids + 1] = first[1]
        from = string.format('%.0f', (math.floor(tonumber(first[2]) / PRIORITY_STEP) + 1) * PRIORITY_STEP)
    end
    return ids
end

local function counts_of(lane)
    local at = lane_base(lane)
    local cancelled = call('SCARD', at .. 'andera-cancelled')
    local queued = call('LLEN', at .. 'wait') + call('LLEN', at .. 'paused') + call('ZCARD', at .. 'prioritized')
    return {
        lane, queued, call('ZCARD', at .. 'delayed'), call('LLEN', at .. 'active'), call('ZCARD', at .. 'completed'),
        math.max(call('ZCARD', at .. 'failed') - cancelled, 0), cancelled, call('HEXISTS', at .. 'meta', 'paused'),
    }
end

function steps.counts(lane)
    return counts_of(lane)
end

-- Whether this balancer is the one that tells the webhook of that task.
local function is_teller(id)
    local key = TELLER .. id
    if call('SET', key, me, 'PX', TELLER_MS, 'NX') then
        return true
    end
    return call('GET', key) == me and call('PEXPIRE', key, TELLER_MS) == 1
end

-- Tasks that owe a notice which nobody else gives, after that one; at most so many.
function steps.owed(after_at, after_id, most)
    local found, from = {}, 0
    while #found < 2 * most do
        local some = call('ZRANGEBYSCORE', OWED, after_at, '+inf', 'WITHSCORES', 'LIMIT', from, 100)
        for n = 1, #some, 2 do
            local id, lane = parts_of(some[n])
            local after = tonumber(some[n + 1]) > tonumber(after_at) or id > after_id
            local failed = after and #found < 2 * most and call('ZSCORE', lane_base(lane) .. 'failed', id)
            if failed and is_teller(id) then
                found[#found + 1] = id
                found[#found + 1] = some[n + 1]
            end
        end
        if #some < 200 then
            break
        end
        from = from + 100
    end
    return found
end
