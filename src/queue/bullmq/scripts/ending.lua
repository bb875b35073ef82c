-- Ends of tasks, and what becomes of those that have ended.

local function remove_from_history(member, life)
    if call('ZREM', ENDED, member) == 1 then
        call('DECRBY', BYTES, life and life.b or 0)
    end
    if call('ZREM', OWED, member) == 1 then
        local id = parts_of(member)
        call('DEL', TELLER .. id)
    end
end

-- Forgets a task wherever it is named. It must not wait or run.
local function forget(member)
    local id, lane = parts_of(member)
    local at = lane_base(lane)
    local job = at .. id
    local life = life_of(job)
    if life and life.k and call('HGET', HOLDERS, life.k) == id then
        call('HDEL', HOLDERS, life.k)
    end
    remove_from_history(member, life)
    call('ZREM', at .. 'completed', id)
    call('ZREM', at .. 'failed', id)
    call('SREM', at .. 'andera-cancelled', id)
    call('ZREM', TASKS, member)
    call('ZREM', EXPIRIES, member)
    call('DEL', job, job .. ':lock', job .. ':logs', job .. ':dependencies', job .. ':processed')
end

-- Forgets ended tasks beyond the limits of retention, at most so many; says how many.
local function evict(most)
    for evicted = 0, most - 1 do
        local oldest = call('ZRANGE', ENDED, 0, 0, 'WITHSCORES')
        if not oldest[1] then
            call('DEL', BYTES)
            return evicted
        end
        local excess = call('ZCARD', ENDED) > retention_count or tonumber(call('GET', BYTES) or 0) > retention_bytes
        if not excess and now - tonumber(oldest[2]) < retention_ms then
            return evicted
        end
        local id, lane = parts_of(oldest[1])
        local at = lane_base(lane)
        local ended = call('ZSCORE', at .. 'completed', id) or call('ZSCORE', at .. 'failed', id)
        if ended or call('EXISTS', at .. id) == 0 then
            forget(oldest[1])
        else
            -- Another tool has had it run again.
            remove_from_history(oldest[1], life_of(at .. id))
        end
    end
    return most
end

-- What a task costs, roughly.
local function size_of(job, result)
    return 512 + call('HSTRLEN', job, 'data') + result
end

-- Deletes what is beyond what a job's producer wants to be kept ({age in s, count}), and beyond the limits of retention. `ended` are
-- those of the state in question.
local function keep_jobs(at, ended, state, rule)
    local count, age = retention_count, retention_ms
    if type(rule) == 'number' then
        count = math.min(count, rule)
    elseif type(rule) == 'table' then
        count = math.min(count, tonumber(rule.count) or count)
        age = math.min(age, (tonumber(rule.age) or math.huge) * 1000)
    end
    for _ = 1, 16 do
        local oldest = call('ZRANGE', ended, 0, 0, 'WITHSCORES')
        if not oldest[1] or (call('ZCARD', ended) <= count and now - tonumber(oldest[2]) < age) then
            return
        end
        local job = at .. oldest[1]
        call('ZREM', ended, oldest[1])
        -- One of a lane may have been run again or removed by another tool.
        if ended == at .. state or call('ZREM', at .. state, oldest[1]) == 1 then
            call('DEL', job, job .. ':lock', job .. ':logs', job .. ':dependencies', job .. ':processed')
        end
    end
end

-- Ends a job of the inbox or of a lane that stands nowhere any more, in the way of its task.
local function end_job(queue, id, state, reason, result, attempts, prev)
    local at = lane_base(queue)
    local job = at .. id
    local told = call('HMGET', job, 'opts', 'deid')
    if told[2] and call('GET', at .. 'de:' .. told[2]) == id then
        call('DEL', at .. 'de:' .. told[2])
    end
    local readable, opts = pcall(cjson.decode, told[1] or '')
    opts = readable and type(opts) == 'table' and opts or {}
    local completed = state == 'completed'
    local rule = opts[completed and 'removeOnComplete' or 'removeOnFail']
    local set = completed and 'completed' or 'failed'
    call('HDEL', job, 'andera')
    call('DEL', job .. ':dependencies')
    if rule == true or rule == 0 then
        call('DEL', job, job .. ':logs', job .. ':processed')
    else
        if completed then
            call('HSET', job, 'finishedOn', now, 'atm', attempts, 'returnvalue', result)
        else
            call('HSET', job, 'finishedOn', now, 'atm', attempts, 'failedReason', reason, 'stacktrace', cjson.encode({ reason }))
        end
        call('ZADD', at .. set, now, id)
        -- In a lane, tasks have ended too: those have limits of their own.
        local ended = queue == INBOX and at .. set or at .. 'andera-jobs-' .. set
        call('ZADD', ended, now, id)
        keep_jobs(at, ended, set, rule)
    end
    if completed then
        -- Whole, for its producer waits for it.
        announce(at, 'completed', 'jobId', id, 'returnvalue', result, 'prev', prev)
    else
        announce(at, 'failed', 'jobId', id, 'failedReason', reason, 'prev', prev)
    end
end

-- Ends a task that neither waits nor runs any more. `finish` is {state, code, reason, result, about the end}; `attempts` are given if
-- there is one more, and the task did run.
local function finish(at, lane, id, job, life, finish, prev, attempts)
    local state, code, reason, result, about = unpack(finish)
    local member = member_of(id, lane)
    life.r, life.f, life.t, life.b = nil, now, state, size_of(job, #result)
    life.c = code ~= '' and code or nil
    local fields = { 'finishedOn', now, 'atm', life.n, 'anderaEnd', about, 'anderaLife', cjson.encode(life) }
    if attempts then
        fields[#fields + 1] = 'anderaAttempts'
        fields[#fields + 1] = attempts
    end
    if result ~= '' then
        fields[#fields + 1] = 'returnvalue'
        fields[#fields + 1] = result
    end
    if state == 'completed' then
        call('HSET', job, unpack(fields))
        call('ZADD', at .. 'completed', now, id)
        local shown = #result <= RESULT_IN_EVENT and result or 'null'
        announce(at, 'completed', 'jobId', id, 'returnvalue', shown, 'prev', prev)
    else
        call('HSET', job, 'failedReason', reason, 'stacktrace', cjson.encode({ reason }), unpack(fields))
        call('ZADD', at .. 'failed', now, id)
        announce(at, 'failed', 'jobId', id, 'failedReason', reason, 'prev', prev)
        if state == 'cancelled' then
            call('SADD', at .. 'andera-cancelled', id)
        end
    end
    if not attempts then
        call('ZREM', EXPIRIES, member)
    end
    local bytes = 0
    if state == 'failed' and life.w then
        call('ZADD', OWED, now, member)
        call('SET', TELLER .. id, me, 'PX', TELLER_MS)
    else
        call('ZADD', ENDED, now, member)
        bytes = call('INCRBY', BYTES, life.b)
    end
    -- A job that does not wait for its task any more was moved by another tool.
    local queue = life.j and lane or INBOX
    if life.p and call('ZREM', lane_base(queue) .. 'waiting-children', life.p) == 1 then
        if state == 'completed' then
            call('HSET', lane_base(queue) .. life.p .. ':processed', job, #result <= RESULT_IN_EVENT and result or 'null')
        end
        end_job(queue, life.p, state, reason, result, life.n, 'waiting-children')
    end
    tell_ended(id, state, life.c)
    -- What has become too old is left to the round.
    if bytes > retention_bytes or call('ZCARD', ENDED) > retention_count then
        evict(2)
    end
end

-- What ends a task by the queue's own rules.
local function rule(code, reason)
    return { 'failed', code, reason, '', cjson.encode({ code = code, error = reason }) }
end

-- Has a task that has ended wait again as if it had not.
local function begin_again(at, lane, id, job, life, expires_at)
    local member = member_of(id, lane)
    remove_from_history(member, life)
    call('SREM', at .. 'andera-cancelled', id)
    life.e, life.i, life.a, life.x, life.y = life.n, 0, 1, expires_at, nil
    life.f, life.t, life.c, life.b = nil, nil, nil, nil
    life.s = call('INCR', at .. 'pc')
    call('HDEL', job, 'finishedOn', 'processedOn', 'failedReason', 'returnvalue', 'stacktrace', 'anderaEnd')
end
