"""The scripts of the inbox on Redis. Each is one step: no other command comes between its parts, and all or none of
it reaches the disk.

Each script is given every key it touches; ``usage_billing.inbox.redis_keys`` says what the keys hold.
"""

# Appends an entry to each shard. KEYS: waiting, bytes, then stream and wake of each shard. ARGV: limit of recordings,
# limit of bytes, seconds of a wake-up, after how many seconds a shard is idle, seconds of an idle wake-up, then data
# and count of each shard. Returns -1 when the inbox is full, or the positions (from 1) of the shards to wake.
APPEND = """
if tonumber(redis.call('GET', KEYS[1]) or '0') >= tonumber(ARGV[1]) then return -1 end
if tonumber(redis.call('GET', KEYS[2]) or '0') >= tonumber(ARGV[2]) then return -1 end
local now = tonumber(redis.call('TIME')[1])
local asleep = {}
for shard = 1, (#KEYS - 2) / 2 do
    local stream, wake = KEYS[shard * 2 + 1], KEYS[shard * 2 + 2]
    local data, count = ARGV[shard * 2 + 4], ARGV[shard * 2 + 5]
    redis.call('XADD', stream, '*', 'd', data, 'n', count)
    redis.call('INCRBY', KEYS[1], count)
    redis.call('INCRBY', KEYS[2], #data)
    if redis.call('EXISTS', wake) == 0 then
        local first = redis.call('XRANGE', stream, '-', '+', 'COUNT', 1)[1][1]
        local idle = now - tonumber(string.match(first, '^%d+')) / 1000 > tonumber(ARGV[4])
        redis.call('SET', wake, '1', 'EX', idle and ARGV[5] or ARGV[3])
        asleep[#asleep + 1] = shard
    end
end
return asleep
"""

# Reads the oldest entries. KEYS: stream. ARGV: about how many recordings, about how many bytes. Returns id, data and
# count of each entry. It reads 8 entries at a time, because one entry may hold a whole batch.
READ = """
local found, bytes, rows, start = 0, 0, {}, '-'
repeat
    local step = redis.call('XRANGE', KEYS[1], start, '+', 'COUNT', 8)
    for _, row in ipairs(step) do
        rows[#rows + 1] = {row[1], row[2][2], row[2][4]}
        found, bytes = found + tonumber(row[2][4]), bytes + #row[2][2]
        if found >= tonumber(ARGV[1]) or bytes >= tonumber(ARGV[2]) then return rows end
        start = '(' .. row[1]
    end
until #step < 8
return rows
"""

# Counts a try. KEYS: wake, hand. ARGV: id of the first entry, seconds of a wake-up. Returns tries and suspect. The
# tries go on when the first entry is the same as last time, or '*', which stands for any.
TAKE = """
redis.call('SET', KEYS[1], '1', 'EX', ARGV[2])
local first = redis.call('HGET', KEYS[2], 'first')
if first ~= ARGV[1] and first ~= '*' then redis.call('HSET', KEYS[2], 'tries', 0) end
redis.call('HSET', KEYS[2], 'first', ARGV[1])
return {redis.call('HINCRBY', KEYS[2], 'tries', 1), redis.call('HGET', KEYS[2], 'suspect') or ''}
"""

# Deletes entries. KEYS: stream, hand, waiting, bytes. ARGV: 1 to forgive or 0, then id, count and size in bytes of each
# entry. Returns how many recordings went. An entry that is gone already is not subtracted a second time.
DELETE = """
local gone, bytes = 0, 0
for i = 2, #ARGV, 3 do
    if redis.call('XDEL', KEYS[1], ARGV[i]) == 1 then
        gone, bytes = gone + tonumber(ARGV[i + 1]), bytes + tonumber(ARGV[i + 2])
    end
end
if ARGV[1] == '1' then
    redis.call('DEL', KEYS[2])
elseif redis.call('EXISTS', KEYS[2]) == 1 then
    redis.call('HSET', KEYS[2], 'first', '*', 'suspect', '')
end
if gone > 0 then
    redis.call('DECRBY', KEYS[3], gone)
    redis.call('DECRBY', KEYS[4], bytes)
end
return gone
"""

# Lets a shard sleep if it is empty. KEYS: stream, wake. ARGV: seconds of a wake-up. Returns 1 if it sleeps, else 0.
REST = """
if redis.call('XLEN', KEYS[1]) > 0 then redis.call('EXPIRE', KEYS[2], ARGV[1]) return 0 end
redis.call('DEL', KEYS[2])
return 1
"""

# Wakes a shard with a late entry. KEYS: stream, wake. ARGV: milliseconds since the epoch before which an entry is late,
# seconds of a wake-up. Returns 1 if it woke the shard, else 0. A wake-up that lives longer than a usual one is an idle
# one: it does not keep the sweep from waking.
OVERDUE = """
local first = redis.call('XRANGE', KEYS[1], '-', '+', 'COUNT', 1)[1]
if not first or tonumber(string.match(first[1], '^%d+')) >= tonumber(ARGV[1]) then return 0 end
local left = redis.call('PTTL', KEYS[2])
if left > 0 and left <= tonumber(ARGV[2]) * 1000 then return 0 end
redis.call('SET', KEYS[2], '1', 'EX', ARGV[2])
return 1
"""
