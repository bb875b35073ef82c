-- The inbox: the queue `tasks`, into which others put jobs. A job that is taken in waits for its task as a parent waits for its child.

-- One balancer at a time reads it; another one does once that has not for so long.
local READER = base .. 'andera-inbox'
local READER_MS = 3000
-- How much is read at once.
local BYTES_READ = 4194304
-- Jobs in work that are looked at for lost ones.
local LOOKED_AT = 64

local function waits(id)
    return call('LPOS', INBOX .. 'wait', id, 'RANK', -1) or call('ZSCORE', INBOX .. 'prioritized', id)
        or call('ZSCORE', INBOX .. 'delayed', id)
end

local function wait_for_task(id)
    take_away(INBOX, id)
    call('ZADD', INBOX .. 'waiting-children', now, id)
    announce(INBOX, 'waiting-children', 'jobId', id, 'prev', 'waiting')
end

-- Has jobs wait again that a worker of another tool took and died with.
local function take_back_jobs()
    for _, id in ipairs(call('LRANGE', INBOX .. 'active', -LOOKED_AT, -1)) do
        local job = INBOX .. id
        if call('EXISTS', job .. ':lock') == 0 then
            call('LREM', INBOX .. 'active', -1, id)
            call('SREM', INBOX .. 'stalled', id)
            if call('EXISTS', job) == 1 then
                call('HINCRBY', job, 'stc', 1)
                call('RPUSH', INBOX .. 'wait', id)
                announce(INBOX, 'stalled', 'jobId', id)
                announce(INBOX, 'waiting', 'jobId', id, 'prev', 'active')
            end
        end
    end
end

-- A job that has a task and waits all the same: another tool has run or removed that, or moved the job.
local function follow(id, task)
    local lane = lane_of(task)
    local at = lane and lane_base(lane)
    local job = at and at .. task
    if not job or call('EXISTS', job) == 0 then
        take_away(INBOX, id)
        end_job(id, 'failed', 'The task of the job was removed', '', 0, 'waiting')
        return
    end
    local state = state_of(at, task, job, life_of(job))
    if state == 'completed' or state == 'failed' or state == 'cancelled' then
        take_away(INBOX, id)
        local told = call('HMGET', job, 'failedReason', 'returnvalue', 'atm')
        end_job(id, state, told[1] or '', told[2] or '', told[3] or 0, 'waiting')
    else
        wait_for_task(id)
    end
end

-- Jobs that wait: id, data, priority and options of each, the next one first. False while another balancer reads them.
function steps.inbox(most)
    if not call('SET', READER, me, 'PX', READER_MS, 'NX') then
        if call('GET', READER) ~= me then
            return false
        end
        call('PEXPIRE', READER, READER_MS)
    end
    if call('HEXISTS', INBOX .. 'meta', 'paused') == 1 then
        return {}
    end
    take_back_jobs()
    local found, bytes = {}, 0
    most = tonumber(most)
    local function look(id)
        local job = INBOX .. id
        if #found >= most or bytes >= BYTES_READ then
            return
        elseif call('EXISTS', job) == 0 then
            -- Removed by another tool, or a mark of earlier versions of BullMQ.
            take_away(INBOX, id)
            return
        end
        local told = call('HMGET', job, 'andera', 'data', 'priority', 'opts')
        if told[1] then
            follow(id, told[1])
            return
        end
        bytes = bytes + #(told[2] or '')
        found[#found + 1] = { id, told[2] or '', told[3] or '0', told[4] or '{}' }
    end
    local first = call('LRANGE', INBOX .. 'wait', -most, -1)
    for n = #first, 1, -1 do
        look(first[n])
    end
    for _, id in ipairs(call('ZRANGE', INBOX .. 'prioritized', 0, most - 1)) do
        look(id)
    end
    for _, id in ipairs(call('ZRANGEBYSCORE', INBOX .. 'delayed', 0, (now + 1) * DELAY_STEP - 1, 'LIMIT', 0, most)) do
        look(id)
    end
    return found
end

-- Puts a job's task into its lane; what follows the job's id is what `enqueue` wants.
function steps.inbox_take(id, lane, task, ...)
    if not waits(id) then
        return 'gone'
    end
    local added = steps.enqueue(lane, task, ...)
    if added[1] == 'full' then
        return 'full'
    elseif added[1] == 'duplicate' then
        take_away(INBOX, id)
        end_job(id, 'failed', 'Its idempotency key is that of task ' .. added[2], '', 0, 'waiting')
        return 'refused'
    end
    local parent, child = INBOX .. id, lane_base(lane) .. task
    local life = life_of(child)
    life.p = id
    local link = { id = id, queueKey = base .. 'tasks', fpof = true }
    call('HSET', child, 'parentKey', parent, 'parent', cjson.encode(link), 'anderaLife', cjson.encode(life))
    call('SADD', parent .. ':dependencies', child)
    call('HSET', parent, 'andera', task, 'processedOn', now, 'delay', 0, 'pb', me)
    call('HINCRBY', parent, 'ats', 1)
    wait_for_task(id)
    return 'taken'
end

function steps.inbox_refuse(id, reason)
    if not waits(id) then
        return 'gone'
    end
    take_away(INBOX, id)
    end_job(id, 'failed', reason, '', 1, 'waiting')
    return 'refused'
end
