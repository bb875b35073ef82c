-- What every call begins with: who calls, what time it is, where things are.
-- Arguments: prefix, time in ms ('' for the server's own), the caller's name, the limits, whether it may judge others, then the steps (see steps.lua).
-- Set anew by each call, for functions of a library outlive it.
local call, base, me, now
local max_waiting, max_interruptions, retention_ms, retention_count, retention_bytes
-- Whether the caller has been connected long enough for others to have come back too, if the server was away.
local judges_others
-- The lane that the step before has found empty, if it has.
local emptied

-- Keys of the whole queue. Their members are '<task id> <lane>'.
local TASKS -- sorted by id: the index, and the order of lists
local LEASES -- by the moment at which the lease runs out
local EXPIRIES -- tasks that wait, by the moment at which they are of no use any more
local ENDED -- tasks that the limits of retention count, by the moment of their end
local OWED -- tasks that owe a notice, by the moment of their end
-- Others.
local LANES -- names of lanes
local DUE -- lanes with delayed tasks, by the moment at which the first is due
local HOLDERS -- idempotency key: id of its task
local WAITING -- how many tasks wait, in all lanes
local BYTES -- size of the tasks in ENDED
local CHANNEL
-- Jobs that others put into lanes (inbox.lua).
local FOREIGN -- lanes that may have some to be taken in
local COUNTED -- lane: the number of the last one that was looked for
local READER -- the balancer that looks for jobs of others
-- There as long as the balancer of that name is.
local BALANCER

-- The queue into which others put jobs.
local INBOX = 'tasks'

-- Who tells the webhook of a task that it has failed; kept as long as that one looks for what is owed.
local TELLER
local TELLER_MS = 15000

local function name_keys()
    TASKS = base .. 'andera-tasks'
    LEASES = base .. 'andera-leases'
    EXPIRIES = base .. 'andera-expiries'
    ENDED = base .. 'andera-ended'
    OWED = base .. 'andera-owed'
    LANES = base .. 'andera-lanes'
    DUE = base .. 'andera-due'
    HOLDERS = base .. 'andera-keys'
    WAITING = base .. 'andera-waiting'
    BYTES = base .. 'andera-bytes'
    CHANNEL = base .. 'andera-events'
    BALANCER = base .. 'andera-balancer:'
    FOREIGN = base .. 'andera-foreign'
    COUNTED = base .. 'andera-foreign-counted'
    READER = base .. 'andera-inbox'
    TELLER = base .. 'andera-teller:'
end

local function begin(arguments)
    call = redis.call
    if base ~= arguments[1] .. ':' then
        base = arguments[1] .. ':'
        name_keys()
    end
    me = arguments[3]
    max_waiting = tonumber(arguments[4])
    max_interruptions = tonumber(arguments[5])
    retention_ms = tonumber(arguments[6])
    retention_count = tonumber(arguments[7])
    retention_bytes = tonumber(arguments[8])
    judges_others = arguments[9] == '1'
    emptied = nil
    if arguments[2] == '' then
        local time = call('TIME')
        now = time[1] * 1000 + math.floor(time[2] / 1000)
    else
        now = tonumber(arguments[2])
    end
end

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
