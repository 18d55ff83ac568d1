"""What the inbox does inside Redis, each script as one step: nothing comes between its parts, nor half of it to disk.

Every script is given the keys it touches; the names are those of ``redis_inbox``.
"""

# KEYS: waiting, bytes, then stream and wake of each shard. ARGV: limit of recordings, limit of bytes, seconds of a
# wake-up, after how many seconds a shard is idle, seconds of an idle wake-up, then data and count of each shard.
# Returns -1 when full, or the positions of the shards to wake.
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

# KEYS: stream. ARGV: recordings, bytes. In small steps, for one entry may hold a whole batch.
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

# KEYS: wake, hand. ARGV: id of the first entry, seconds of a wake-up. Returns tries and suspect.
TAKE = """
redis.call('SET', KEYS[1], '1', 'EX', ARGV[2])
local first = redis.call('HGET', KEYS[2], 'first')
if first ~= ARGV[1] and first ~= '*' then redis.call('HSET', KEYS[2], 'tries', 0) end
redis.call('HSET', KEYS[2], 'first', ARGV[1])
return {redis.call('HINCRBY', KEYS[2], 'tries', 1), redis.call('HGET', KEYS[2], 'suspect') or ''}
"""

# KEYS: stream, hand, waiting, bytes. ARGV: whether to forgive, then id, count and size of each entry. One that is
# gone already is not subtracted twice.
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

# KEYS: stream, wake. ARGV: seconds of a wake-up.
REST = """
if redis.call('XLEN', KEYS[1]) > 0 then redis.call('EXPIRE', KEYS[2], ARGV[1]) return 0 end
redis.call('DEL', KEYS[2])
return 1
"""

# KEYS: stream, wake. ARGV: milliseconds of the epoch before which an entry is late, seconds of a wake-up.
# An idle wake-up, which lives longer than others, does not keep the sweep from waking.
OVERDUE = """
local first = redis.call('XRANGE', KEYS[1], '-', '+', 'COUNT', 1)[1]
if not first or tonumber(string.match(first[1], '^%d+')) >= tonumber(ARGV[1]) then return 0 end
local left = redis.call('PTTL', KEYS[2])
if left > 0 and left <= tonumber(ARGV[2]) * 1000 then return 0 end
redis.call('SET', KEYS[2], '1', 'EX', ARGV[2])
return 1
"""
