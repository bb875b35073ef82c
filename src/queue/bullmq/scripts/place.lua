-- The place of a task that waits.

local PRIORITY_STEP = 4294967296
local DELAY_STEP = 4096
-- How far from the head a place is looked for one by one.
local NEAR = 32

local function sequence_of(at, id)
    local life = life_of(at .. id)
    return life and life.s or math.huge
end

-- Puts a task behind those that came before it: the list has the head at its right end, and is in order but for what others put there.
local function insert_in_order(at, id, sequence)
    local wait = at .. 'wait'
    local near = call('LRANGE', wait, -NEAR, -1)
    for n = #near, 1, -1 do
        if sequence_of(at, near[n]) > sequence then
            local ahead = #near - n
            local taken = ahead > 0 and call('RPOP', wait, ahead) or {}
            call('RPUSH', wait, id)
            for back = #taken, 1, -1 do
                call('RPUSH', wait, taken[back])
            end
            return
        end
    end
    local length = call('LLEN', wait)
    -- The first `low` have come later.
    local low, high = 0, length - #near
    while low < high do
        local middle = math.floor((low + high) / 2)
        if sequence_of(at, call('LINDEX', wait, middle)) > sequence then
            low = middle + 1
        else
            high = middle
        end
    end
    if low == 0 then
        call('LPUSH', wait, id)
    else
        call('LINSERT', wait, 'AFTER', call('LINDEX', wait, low - 1), id)
    end
end

-- Makes a task claimable; `newest` if it goes behind all equals.
local function place(at, id, sequence, priority, newest)
    if priority > 0 then
        call('ZADD', at .. 'prioritized', priority * PRIORITY_STEP + sequence % PRIORITY_STEP, id)
    elseif newest then
        call('LPUSH', at .. 'wait', id)
    else
        insert_in_order(at, id, sequence)
    end
    if not is_closed(at) then
        call('ZADD', at .. 'marker', 0, '0')
    end
end

local function first_due(at)
    local first = call('ZRANGE', at .. 'delayed', 0, 0, 'WITHSCORES')
    return first[2] and math.floor(tonumber(first[2]) / DELAY_STEP)
end

-- Keeps the lane among those that are looked at when their next task is due.
local function set_alarm(at, lane)
    local due = first_due(at)
    if due then
        call('ZADD', DUE, due, lane)
        call('ZADD', at .. 'marker', due, '1')
    else
        call('ZREM', DUE, lane)
    end
end

local function delay_until(at, lane, id, job, due, sequence, created_at)
    call('ZADD', at .. 'delayed', due * DELAY_STEP + sequence % DELAY_STEP, id)
    call('HSET', job, 'delay', math.max(due - created_at, 0))
    announce(at, 'delayed', 'jobId', id, 'delay', due)
    set_alarm(at, lane)
end

-- Takes a waiting task from where it waits; says where that was, or nil.
local function take_away(at, id)
    for _, name in ipairs({ 'prioritized', 'delayed' }) do
        if call('ZREM', at .. name, id) == 1 then
            return name
        end
    end
    for _, name in ipairs({ 'wait', 'paused' }) do
        -- From the head on.
        if call('LREM', at .. name, -1, id) == 1 then
            return name
        end
    end
    return nil
end

-- Where a task stands: what counts is where it is, for other tools move tasks too.
local function state_of(at, id, job, life)
    if call('ZSCORE', at .. 'completed', id) then
        return 'completed'
    elseif call('ZSCORE', at .. 'failed', id) then
        local cancelled
        if life and life.t then
            cancelled = life.t == 'cancelled'
        else
            cancelled = call('HGET', job, 'failedReason') == 'cancelled'
        end
        return cancelled and 'cancelled' or 'failed'
    elseif call('ZSCORE', at .. 'delayed', id) then
        return 'delayed'
    elseif call('ZSCORE', at .. 'prioritized', id) then
        return 'queued'
    elseif (life and life.r) or call('EXISTS', job .. ':lock') == 1 then
        return 'running'
    end
    return 'queued'
end
