-- What every call begins with: who calls, what time it is, where things are.
-- ARGV: prefix, time in ms ('' for the server's own), the caller's name, the limits, whether it may judge others, then the steps (see steps.lua).
local call = redis.call
local base = ARGV[1] .. ':'
local me = ARGV[3]
local max_waiting = tonumber(ARGV[4])
local max_interruptions = tonumber(ARGV[5])
local retention_ms = tonumber(ARGV[6])
local retention_count = tonumber(ARGV[7])
local retention_bytes = tonumber(ARGV[8])
-- Whether the caller has been connected long enough for others to have come back too, if the server was away.
local judges_others = ARGV[9] == '1'

local now
if ARGV[2] == '' then
    local time = call('TIME')
    now = time[1] * 1000 + math.floor(time[2] / 1000)
else
    now = tonumber(ARGV[2])
end

-- Keys of the whole queue. Their members are '<task id> <lane>'.
local TASKS = base .. 'andera-tasks' -- sorted by id: the index, and the order of lists
local LEASES = base .. 'andera-leases' -- by the moment at which the lease runs out
local EXPIRIES = base .. 'andera-expiries' -- tasks that wait, by the moment at which they are of no use any more
local ENDED = base .. 'andera-ended' -- tasks that the limits of retention count, by the moment of their end
local OWED = base .. 'andera-owed' -- tasks that owe a notice, by the moment of their end
-- Others.
local LANES = base .. 'andera-lanes' -- names of lanes
local DUE = base .. 'andera-due' -- lanes with delayed tasks, by the moment at which the first is due
local HOLDERS = base .. 'andera-keys' -- idempotency key: id of its task
local WAITING = base .. 'andera-waiting' -- how many tasks wait, in all lanes
local BYTES = base .. 'andera-bytes' -- size of the tasks in ENDED
local CHANNEL = base .. 'andera-events'
-- Jobs that others put into lanes (inbox.lua).
local FOREIGN = base .. 'andera-foreign' -- lanes that may have some to be taken in
local COUNTED = base .. 'andera-foreign-counted' -- lane: the number of the last one that was looked for
-- There as long as the balancer of that name is.
local BALANCER = base .. 'andera-balancer:'

-- The queue into which others put jobs.
local INBOX = 'tasks'

-- Who tells the webhook of a task that it has failed; kept as long as that one looks for what is owed.
local TELLER = base .. 'andera-teller:'
local TELLER_MS = 15000

local ID_LENGTH = 36
local EVENTS_KEPT = '10000'
-- A larger result is not repeated in the stream of events.
local RESULT_IN_EVENT = 65536

local function lane_base(lane)
    return base .. lane .. ':'
end

local function member_of(id, lane)
    return id .. ' ' .. lane
end

local function parts_of(member)
    return string.sub(member, 1, ID_LENGTH), string.sub(member, ID_LENGTH + 2)
end

-- The lane of a task; nil for one that is not known.
local function lane_of(id)
    local found = call('ZRANGEBYLEX', TASKS, '[' .. id, '[' .. id .. ' \255', 'LIMIT', 0, 1)
    if not found[1] then
        return nil
    end
    local _, lane = parts_of(found[1])
    return lane
end

-- What changes about a task, beyond the fields that BullMQ has:
--   v token of its last claim       r request of the present claim (only while it is claimed)
--   s place among equals            x when it expires             l how long it may wait after it is run again elsewhere
--   n attempts that have ended      e how many of them do not count   i interruptions
--   o it may run once only          w it has a webhook            k its idempotency key
--   zt token that was settled last  zw what that did
--   f when it ended                 t how                         c why, in a word      b its size
--   q its run is to be stopped     y its lease ran out, and it has not been claimed since
--   a it was run again on request  u the balancer that has its client (streams)
--   p the job that it was taken in as               j that job stands in its lane, not in the inbox
--   h the token of the claim that its present one was taken over from
local function life_of(job)
    local text = call('HGET', job, 'anderaLife')
    return text and cjson.decode(text)
end

local function announce(at, ...)
    call('XADD', at .. 'events', 'MAXLEN', '~', EVENTS_KEPT, '*', 'event', ...)
end

-- Tells the other balancers that a lane has a task to claim.
local function tell_claimable(lane)
    call('PUBLISH', CHANNEL, 'claimable ' .. me .. ' ' .. lane)
end

local function tell_ended(id, state, code)
    call('PUBLISH', CHANNEL, 'ended ' .. me .. ' ' .. id .. ' ' .. state .. ' ' .. (code or '-'))
end

-- Whether nobody may claim, and whether that is because the lane is paused.
local function is_closed(at)
    local meta = call('HMGET', at .. 'meta', 'paused', 'concurrency')
    if meta[1] then
        return true, true
    end
    return meta[2] and call('LLEN', at .. 'active') >= tonumber(meta[2]) or false, false
end
