-- Jobs of others: those of the inbox, the queue `tasks`, and those that they put into lanes. A job that is taken in waits for its task as
-- a parent waits for its child.

-- One balancer at a time reads them; another one does once that has not for so long.
local READER_MS = 3000
-- How much is read at once.
local BYTES_READ = 4194304
-- Jobs in work that are looked at for lost ones.
local LOOKED_AT = 64
-- Of how many lanes jobs are read at once, and how many numbers of jobs are tried in each.
local LANES_READ = 16
local NUMBERS_TRIED = 256

local function waits(at, id)
    return call('LPOS', at .. 'wait', id) or call('ZSCORE', at .. 'prioritized', id) or call('ZSCORE', at .. 'delayed', id)
end

local function wait_for_task(at, id)
    take_away(at, id)
    call('ZADD', at .. 'waiting-children', now, id)
    announce(at, 'waiting-children', 'jobId', id, 'prev', 'waiting')
end

-- Has jobs wait again that a worker of another tool took and died with. In lanes that is left to that tool's other workers.
local function take_back_jobs()
    local at = lane_base(INBOX)
    for _, id in ipairs(call('LRANGE', at .. 'active', -LOOKED_AT, -1)) do
        local job = at .. id
        if call('EXISTS', job .. ':lock') == 0 then
            call('LREM', at .. 'active', -1, id)
            call('SREM', at .. 'stalled', id)
            if call('EXISTS', job) == 1 then
                call('HINCRBY', job, 'stc', 1)
                call('RPUSH', at .. 'wait', id)
                announce(at, 'stalled', 'jobId', id)
                announce(at, 'waiting', 'jobId', id, 'prev', 'active')
            end
        end
    end
end

-- Ends a job if its task has ended or is gone; says whether.
local function end_with_task(queue, id, task, prev)
    local lane = lane_of(task)
    local at = lane and lane_base(lane)
    local job = at and at .. task
    if not job or call('EXISTS', job) == 0 then
        end_job(queue, id, 'failed', 'The task of the job was removed', '', 0, prev)
        return true
    end
    local state = state_of(at, task, job, life_of(job))
    if state ~= 'completed' and state ~= 'failed' and state ~= 'cancelled' then
        return false
    end
    local told = call('HMGET', job, 'failedReason', 'returnvalue', 'atm')
    end_job(queue, id, state, told[1] or '', told[2] or '', told[3] or 0, prev)
    return true
end

-- Ends jobs of a lane whose tasks a worker of another tool has run, or another tool has removed.
local function end_parents(lane)
    local set = lane_base(lane) .. 'waiting-children'
    for _, id in ipairs(call('ZRANDMEMBER', set, LOOKED_AT)) do
        -- Others wait there for children of their own.
        local told = call('HMGET', lane_base(lane) .. id, 'andera', 'anderaLife')
        if told[1] and not told[2] and end_with_task(lane, id, told[1], 'waiting-children') then
            call('ZREM', set, id)
        end
    end
end

-- Adds a job that waits to what was found, unless it is a task of ours.
local function look(found, queue, id)
    local at = lane_base(queue)
    if found[at .. id] or found.bytes >= BYTES_READ or #found >= found.most then
        return
    end
    local told = call('HMGET', at .. id, 'anderaLife', 'andera', 'name', 'data', 'priority', 'opts')
    if told[1] then
        return
    elseif told[2] then
        -- It has a task and waits all the same: another tool has run or removed that, or moved the job.
        take_away(at, id)
        if not end_with_task(queue, id, told[2], 'waiting') then
            wait_for_task(at, id)
        end
    elseif not told[3] and not told[4] then
        if queue == INBOX then
            -- Removed by another tool, or a mark of earlier versions of BullMQ; in a lane, workers of those may need it.
            take_away(at, id)
        end
    else
        found.bytes = found.bytes + #(told[4] or '')
        found[#found + 1] = { queue, id, told[3] or '', told[4] or '', told[5] or '0', told[6] or '{}' }
        found[at .. id] = true
    end
end

local function look_at_head(found, queue)
    local at, most = lane_base(queue), found.most
    local first = call('LRANGE', at .. 'wait', -most, -1)
    for n = #first, 1, -1 do
        look(found, queue, first[n])
    end
    for _, id in ipairs(call('ZRANGE', at .. 'prioritized', 0, most - 1)) do
        look(found, queue, id)
    end
    for _, id in ipairs(call('ZRANGEBYSCORE', at .. 'delayed', 0, (now + 1) * DELAY_STEP - 1, 'LIMIT', 0, most)) do
        look(found, queue, id)
    end
end

-- Looks at the jobs that BullMQ has numbered since the last time: so a job behind many tasks is taken in when it comes, not when its turn
-- comes. Says whether there are more.
local function look_at_new(found, lane)
    local at = lane_base(lane)
    local last = tonumber(call('GET', at .. 'id') or 0)
    local counted = tonumber(call('HGET', COUNTED, lane) or 0)
    if counted > last then
        -- The lane was deleted meanwhile.
        counted = 0
    end
    local tried = counted
    while tried < last and tried < counted + NUMBERS_TRIED and #found < found.most and found.bytes < BYTES_READ do
        tried = tried + 1
        local id = string.format('%.0f', tried)
        local told = call('HMGET', at .. id, 'data', 'finishedOn')
        if told[1] and not told[2] and (call('LPOS', at .. 'wait', id) or call('ZSCORE', at .. 'prioritized', id)) then
            look(found, lane, id)
        end
    end
    call('HSET', COUNTED, lane, string.format('%.0f', tried))
    return tried < last
end

-- Jobs that wait: queue, id, name, data, priority and options of each, in each queue the next one first. False while another balancer
-- reads them.
function steps.inbox(most)
    if not call('SET', READER, me, 'PX', READER_MS, 'NX') then
        if call('GET', READER) ~= me then
            return false
        end
        call('PEXPIRE', READER, READER_MS)
    end
    local found = { bytes = 0, most = tonumber(most) }
    if call('HEXISTS', lane_base(INBOX) .. 'meta', 'paused') == 0 then
        take_back_jobs()
        look_at_head(found, INBOX)
    end
    for _, lane in ipairs(call('SRANDMEMBER', FOREIGN, LANES_READ)) do
        end_parents(lane)
        local before, more = #found, false
        if call('HEXISTS', lane_base(lane) .. 'meta', 'paused') == 0 then
            more = look_at_new(found, lane)
            look_at_head(found, lane)
        end
        if #found == before and #found < found.most and found.bytes < BYTES_READ and not more then
            call('SREM', FOREIGN, lane)
        end
    end
    return { unpack(found) }
end

-- Lanes that workers offer: those into which another tool has put jobs are known from then on.
function steps.offered(...)
    for _, lane in ipairs({ ... }) do
        if call('EXISTS', lane_base(lane) .. 'id') == 1 then
            call('SADD', LANES, lane)
        end
    end
    return 1
end

-- Puts a job's task into its lane; what follows the queue and id of the job is what `enqueue` wants.
function steps.inbox_take(queue, id, lane, task, ...)
    local at, here = lane_base(queue), queue ~= INBOX
    if not waits(at, id) then
        return 'gone'
    end
    local limit = max_waiting
    if here then
        -- It is one of those that wait already.
        call('DECR', WAITING)
        max_waiting = math.huge
    end
    local added = steps.enqueue(lane, task, ...)
    max_waiting = limit
    if added[1] == 'full' then
        return 'full'
    elseif added[1] == 'duplicate' then
        take_away(at, id)
        end_job(queue, id, 'failed', 'Its idempotency key is that of task ' .. added[2], '', 0, 'waiting')
        return 'refused'
    end
    local parent, child = at .. id, lane_base(lane) .. task
    local life = life_of(child)
    life.p, life.j = id, here and 1 or nil
    call('HSET', child, 'anderaLife', cjson.encode(life))
    if not here then
        -- In a lane a worker of another tool would run the job once more after it has run the task.
        local link = { id = id, queueKey = base .. queue, fpof = true }
        call('HSET', child, 'parentKey', parent, 'parent', cjson.encode(link))
    end
    call('SADD', parent .. ':dependencies', child)
    call('HSET', parent, 'andera', task, 'processedOn', now, 'delay', 0, 'pb', me)
    call('HINCRBY', parent, 'ats', 1)
    wait_for_task(at, id)
    return 'taken'
end

function steps.inbox_refuse(queue, id, reason)
    local at = lane_base(queue)
    if not waits(at, id) then
        return 'gone'
    end
    take_away(at, id)
    end_job(queue, id, 'failed', reason, '', 1, 'waiting')
    return 'refused'
end
