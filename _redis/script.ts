// Copyright 2026 the Rendezvous authors. MIT license.

/*
 * The one script by which parties state facts and learn the state. Redis runs it as one step, so what it decides is decided
 * for all. ARCHITECTURE.md has the keys and the rules.
 *
 * A party states what stays true: who it is, which phase it knows to be open, the last phase that it arrived in. So every
 * statement may be said again. Where the engine knows less than the party (data was lost, or a stale replica took over), it
 * asks for all that the party knows, and is healed forward. No statement moves it back.
 *
 * A phase passes when as many parties with a seat as there must be have arrived in it. There are never more seats than that,
 * so all who have one have arrived: an engine that has lost arrivals or seats waits longer, and never passes a phase early.
 */

/** The most parties of a barrier. */
export const MAX_PARTIES = 1_023;

/** The rank of an arrival is below this. */
export const RANKS = 2048;

/** How many broken phases are remembered: phase p in slot p % 16, as at the other reaches. */
export const HISTORY_SLOTS = 16;

/** KEYS: see {@linkcode Keys} in engine.ts. ARGV: what the party states, in JSON; the channel. */
export const SCRIPT = `
local BARRIER, ARRIVALS, LEASES, SEATS, HISTORY, NOTES = unpack(KEYS)
local RANKS, SLOTS = ${RANKS}, ${HISTORY_SLOTS}
local said = cjson.decode(ARGV[1])
local call, encode, decode = redis.call, cjson.encode, cjson.decode

local function publish(news)
  call('PUBLISH', ARGV[2], encode(news))
end

-- Asked before anything else: whether this engine and this channel will do.
if said.verb == 'hello' then
  publish({ hello = said.session })
  local info = redis.pcall('INFO', 'server')
  return type(info) == 'string' and string.match(info, 'redis_version:([%d.]+)') or ''
end

local time = call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)

-- The barrier

local NUMBERS = {
  'phase', 'parties', 'declared', 'action', 'version', 'passed', 'passedVersion', 'spoke'
}
local TEXTS = { 'table', 'running', 'broken' }
local b = {}
for i, value in ipairs(call('HMGET', BARRIER, unpack(NUMBERS))) do
  b[NUMBERS[i]] = tonumber(value) or nil
end
for i, value in ipairs(call('HMGET', BARRIER, unpack(TEXTS))) do b[TEXTS[i]] = value or nil end
b.phase, b.version = b.phase or -1, b.version or 0
b.passed, b.passedVersion = b.passed or -1, b.passedVersion or 0
local broken = b.broken and decode(b.broken)

local function set(field, value)
  b[field] = value
  if value == nil then call('HDEL', BARRIER, field) else call('HSET', BARRIER, field, value) end
  if field == 'broken' then broken = value and decode(value) end
end

-- Whoever has known the table of seats before this knows less from now on.
local function changeTable()
  set('version', b.version + 1)
  set('table', b.version .. '.' .. said.nonce)
end

-- Seats: a name, the version with which it came, and the session of its party, empty if that is gone.

local function seatOf(name)
  local value = call('HGET', SEATS, name)
  if not value then return nil end
  local number, session = string.match(value, '^(%d+):(.*)$')
  return { name, session, tonumber(number) }
end

local function putSeat(seat)
  call('HSET', SEATS, seat[1], seat[3] .. ':' .. seat[2])
end

local function allSeats()
  local flat, seats = call('HKEYS', SEATS), {}
  for i, name in ipairs(flat) do seats[i] = seatOf(name) end
  table.sort(seats, function(x, y) return x[3] < y[3] end)
  return seats
end

local function removeSeat(name)
  call('HDEL', SEATS, name)
  call('ZREM', ARRIVALS, name)
  call('ZREM', LEASES, name)
end

local function hasPassed(seat)
  return seat and seat[3] <= b.passedVersion and b.passed or -1
end

-- Arrivals. Who has arrived in a phase has arrived in all before it.

local function count(phase)
  return call('ZCOUNT', ARRIVALS, phase * RANKS, '+inf')
end

local function open()
  return b.running and b.phase + 1 or b.phase
end

local function isOpen(phase)
  return not broken and (phase == b.phase or phase == open())
end

local function standing(phase)
  if b.running and phase == b.phase then
    return { phase = phase, arrived = b.parties, parties = b.parties, missing = {} }
  end
  local missing = {}
  for _, seat in ipairs(allSeats()) do
    local score = call('ZSCORE', ARRIVALS, seat[1])
    if not score or tonumber(score) < phase * RANKS then missing[#missing + 1] = seat[1] end
  end
  return { phase = phase, arrived = count(phase), parties = b.parties, missing = missing }
end

-- How a phase ends: once, in one of two ways.

local function keep(details)
  local slot = details.phase % SLOTS
  local known = call('HGET', HISTORY, slot)
  if known and decode(known).phase >= details.phase then return end
  call('HSET', HISTORY, slot, encode(details))
end

local function breakNow(reason, details)
  local told = standing(b.phase)
  told.reason, told.running = reason, b.running and true or nil
  for name, value in pairs(details) do told[name] = value end
  keep(told)
  set('broken', encode(told))
  if b.running then
    told.phase = b.phase + 1
    keep(told)
    set('running', nil)
  end
  publish({ phase = b.phase, broken = broken })
end

local function pass()
  set('passed', b.phase)
  set('passedVersion', b.version)
  set('phase', b.phase + 1)
  set('running', nil)
  publish({ phase = b.phase, passed = true, table = b.table })
end

-- By bytes: the order of Lua depends on the locale.
local function isBefore(x, y)
  for i = 1, math.min(#x, #y) do
    local left, right = string.byte(x, i), string.byte(y, i)
    if left ~= right then return left < right end
  end
  return #x < #y
end

local function runnerOf()
  local names = call('HKEYS', SEATS)
  table.sort(names, isBefore)
  return names[1]
end

-- Passes the lowest phase if all have arrived, or has its action run. The last may have dropped.
local function complete(dropped)
  while not broken and not b.running and (b.parties > 0 or dropped) and
    count(b.phase) >= b.parties do
    dropped = false
    if b.action == 1 and b.parties > 0 then
      set('running', runnerOf())
      publish({ phase = b.phase, running = b.running, table = b.table })
      if said.acted and said.acted.phase == b.phase and said.name == b.running then
        if said.acted.cause then return breakNow('action', { cause = said.acted.cause }) end
        pass()
      end
    else
      pass()
    end
  end
end

-- Parties that are gone keep their seats until a reset.
local function markGone(seat)
  call('HSET', NOTES, 'left:' .. seat[2], hasPassed(seat))
  putSeat({ seat[1], '', seat[3] })
  call('ZREM', LEASES, seat[1])
  changeTable()
end

local function reply(answer)
  local ttl = math.max(86400000, 10 * said.lease)
  for _, key in ipairs(KEYS) do call('PEXPIRE', key, ttl) end
  answer.phase, answer.parties, answer.running = b.phase, b.parties, b.running
  answer.passed, answer.passedVersion = b.passed, b.passedVersion
  answer.table, answer.version, answer.broken = b.table, b.version, broken
  answer.arrived = broken and broken.arrived or (b.running and b.parties or count(b.phase))
  local seat = said.name and seatOf(said.name)
  answer.counted = answer.counted or seat and seat[2] == said.session and hasPassed(seat) or -1
  if said.missing then
    answer.missing = broken and broken.missing or standing(b.phase).missing
  end
  if said.table ~= b.table then
    answer.seats, answer.declared, answer.action = allSeats(), b.declared, b.action
  end
  if broken or said.phase < b.phase then
    answer.history = {}
    for _, text in ipairs(call('HVALS', HISTORY)) do
      local details = decode(text)
      if details.phase >= said.phase then answer.history[#answer.history + 1] = details end
    end
  end
  return encode(answer)
end

-- Who speaks

local name, session, seat = said.name, said.session, nil

-- Where the answer was lost and the request comes again, it gets that answer.
local done = said.id and call('HGET', NOTES, 'did:' .. session)
done = done and decode(done)
if done and done.id == said.id then return reply(done.answer) end

local function answerOnce(answer)
  call('HSET', NOTES, 'did:' .. session, encode({ id = said.id, answer = answer }))
  return answer
end

local function isGone()
  seat = name and seatOf(name)
  return name and not (seat and seat[2] == session)
end

local function gone()
  local last = call('HGET', NOTES, 'left:' .. session)
  return reply({ gone = last and 'lost' or 'replaced', counted = tonumber(last) or -1 })
end

local function heal(facts)
  if facts.version > b.version then
    local kept = {}
    for _, told in ipairs(facts.seats) do kept[told[1]] = true end
    for _, told in ipairs(call('HKEYS', SEATS)) do
      if not kept[told] then removeSeat(told) end
    end
    for _, told in ipairs(facts.seats) do
      putSeat(told)
      if told[2] == '' then call('ZREM', LEASES, told[1])
      else call('ZADD', LEASES, 'NX', now + said.lease, told[1]) end
    end
    for _, field in ipairs({ 'parties', 'declared', 'action', 'version', 'table' }) do
      set(field, facts[field])
    end
    -- Who had a seat when a phase passed is known by the table of then.
    set('passed', facts.passed)
    set('passedVersion', facts.passedVersion)
  end
  if facts.phase > b.phase then
    for _, field in ipairs({ 'phase', 'passed', 'passedVersion' }) do set(field, facts[field]) end
    set('running', nil)
    set('broken', nil)
  end
  for _, details in ipairs(facts.history) do
    if details.phase <= b.phase + 1 then keep(details) end
  end
  if facts.broken and facts.broken.phase == b.phase and not broken then
    set('broken', encode(facts.broken))
    set('running', nil)
  end
  publish({ phase = b.phase })
end

local verb = said.verb
if verb == 'join' then
  if b.phase < 0 then
    set('phase', 0)
    set('parties', said.parties)
    set('declared', said.parties)
    set('action', said.action)
    changeTable()
  end
  if b.declared ~= said.parties then return reply({ refused = 'parties', has = b.declared }) end
  if b.action ~= said.action then return reply({ refused = 'action', has = b.action }) end
  if name and isGone() then
    if seat then return reply({ refused = 'name' }) end
    local taken = call('HLEN', SEATS)
    if taken >= b.parties then return reply({ refused = 'seats', has = taken }) end
    changeTable()
    seat = { name, session, b.version }
    putSeat(seat)
  end
else
  if said.version <= b.version and isGone() then return gone() end
  local behind = said.version > b.version or said.phase > b.phase or
    said.broken and said.phase == b.phase and not broken
  if behind and not said.facts then return encode({ behind = true }) end
  if behind then heal(said.facts) end
  if isGone() then return gone() end
end

-- When nobody has spoken for long, the engine or everybody was away: that is nobody's death.
local silence = now - (b.spoke or now)
if silence < 0 or silence > said.lease / 2 then
  local all = call('ZRANGE', LEASES, 0, -1, 'WITHSCORES')
  for i = 1, #all, 2 do call('ZADD', LEASES, all[i + 1] + silence, all[i]) end
end
set('spoke', now)
if seat then call('ZADD', LEASES, now + said.lease, name) end

-- What it states

local answer = {}
local at = said.at or -1

local function mayArrive(phase)
  return phase >= b.phase and not broken and
    (phase <= open() or phase == b.phase + 1 and said.phase == b.phase and said.running)
end

local function arrivedIn()
  return math.floor(tonumber(call('ZSCORE', ARRIVALS, name) or -1) / RANKS)
end

local function arrive(phase)
  if arrivedIn() < phase and mayArrive(phase) then
    call('ZADD', ARRIVALS, phase * RANKS + count(phase), name)
  end
end

-- Where it arrives who wants to in a phase: later if that has ended meanwhile, and nowhere before it may again.
local function targetOf(phase)
  phase = math.max(phase, b.phase, arrivedIn() + 1)
  if mayArrive(phase) then return phase end
  answer.twice = not broken and phase - 1 or nil
end

local target
if seat then
  arrive(said.arrived)
  if verb == 'arrive' and hasPassed(seat) >= at then
    -- It passed, and nobody passes without this party: so this request has counted, and its answer was lost.
    target = at
  elseif verb == 'arrive' or verb == 'drop' then
    target = targetOf(at)
  end
  if verb == 'arrive' and target then
    arrive(target)
    answer.at = target
    answer.index = math.max(0, b.parties - 1 - (call('ZSCORE', ARRIVALS, name) or 0) % RANKS)
    answerOnce(answer)
  end
end
-- The last arrival moves the phase on before any death is judged that is seen in the same call.
if b.running and said.acted and said.acted.phase == b.phase and name == b.running then
  if said.acted.cause then breakNow('action', { cause = said.acted.cause }) else pass() end
end
complete(false)

if verb == 'drop' and target then
  removeSeat(name)
  set('parties', b.parties - 1)
  changeTable()
  answer.dropped, answer.at = true, target
  answerOnce(answer)
  complete(true)
elseif verb == 'withdraw' and not broken and at == open() then
  answer.before = standing(at)
  -- It has arrived in the phase before this, if that is still open.
  call('ZADD', ARRIVALS, (at - 1) * RANKS, name)
  answer.cancelled = true
elseif verb == 'break' or verb == 'withdraw' then
  if said.at and isOpen(at) or not said.at and not broken then
    if said.at then answer.before = standing(at) end
    breakNow(said.reason, said.details)
    answer.cancelled = true
  end
  if said.id then answerOnce(answer) end
elseif verb == 'leave' and seat then
  markGone(seat)
  if not broken then breakNow('aborted', said.details) end
elseif verb == 'vacate' and seat and not call('ZSCORE', ARRIVALS, name) then
  removeSeat(name)
  changeTable()
elseif verb == 'reset' then
  answer.names = {}
  -- Who has dropped waits for nobody, and is not taken back.
  local idle = not b.running and count(b.phase) == 0
  if not broken and not said.at and not idle then breakNow('reset', {}) end
  local after = broken and broken.phase + (broken.running and 2 or 1)
  if broken and (not said.at or at >= broken.phase and at < after) then
    for _, told in ipairs(allSeats()) do
      if told[2] == '' then
        answer.names[#answer.names + 1] = told[1]
        removeSeat(told[1])
      end
    end
    if said.dropLost then set('parties', b.parties - #answer.names) end
    if #answer.names > 0 then changeTable() end
    set('phase', after)
    set('broken', nil)
    publish({ phase = b.phase })
  end
  answerOnce(answer)
end

-- Deaths

local late = call('ZRANGEBYSCORE', LEASES, '-inf', now)
for _, told in ipairs(late) do markGone(seatOf(told)) end
if #late > 0 and not broken then breakNow('lost', { party = late[1] }) end

return reply(answer)
`;
