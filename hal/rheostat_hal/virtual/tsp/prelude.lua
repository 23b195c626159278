-- The instrument's tables, as scripts see them. `host` holds Python functions; scripts never reach it, nor anything
-- else of Python: they get these Lua functions, and strings, numbers, booleans and nil from them.
local host = ...

local native = {
  pcall = pcall, tostring = tostring, type = type, select = select, error = error, setmetatable = setmetatable,
  loadstring = loadstring, setfenv = setfenv, unpack = unpack, format = string.format, sethook = debug.sethook,
}
local settings = { asciiprecision = 6, data = 1, prompts = 0, showerrors = 0, gpibenable = true, lanenable = true, address = 16 }

-- Fields, attributes read through `get`, attributes assigned through `set`.
local function object(fields, get, set)
  get, set = get or {}, set or {}
  return native.setmetatable(fields, {
    __index = function(_, key) if get[key] then return get[key]() end end,
    __newindex = function(_, key, value)
      if not set[key] then native.error("cannot assign to '" .. native.tostring(key) .. "'", 2) end
      set[key](value)
    end,
    __metatable = false,
  })
end

local function setting(name, least, most)
  return function() return settings[name] end, function(value)
    if native.type(least) == "number" then
      if native.type(value) ~= "number" or value < least or value > most then host.refuse(name) return end
    elseif native.type(value) ~= "boolean" then host.refuse(name) return end
    settings[name] = value
  end
end

local function forward(...)
  local functions = {}
  for n = 1, native.select("#", ...) do
    local name = native.select(n, ...)
    local run = host[name]
    functions[name] = function(...) return run(...) end
  end
  return functions
end

local function number(value)
  if settings.asciiprecision == 0 then return native.format("%.14g", value) end
  return native.format("%." .. (settings.asciiprecision - 1) .. "e", value)
end

local env = {
  assert = assert, error = error, ipairs = ipairs, next = next, pairs = pairs, tonumber = tonumber,
  tostring = tostring, type = type, unpack = unpack, setmetatable = setmetatable, rawget = rawget, rawset = rawset,
  select = select, math = {}, string = {}, table = {},
}
for name, library in pairs({ math = math, string = string, table = table }) do
  for key, value in pairs(library) do env[name][key] = value end
end
env.string.dump = nil
env._G = env

local function returned(ok, ...)
  if host.aborted() then native.error("aborted", 0) end
  if not ok and native.type((...)) == "userdata" then return ok, native.tostring((...)) end
  return ok, ...
end
env.pcall = function(...) return returned(native.pcall(...)) end

env.print = function(...)
  local out = ""
  for n = 1, native.select("#", ...) do
    local value = native.select(n, ...)
    local text = native.type(value) == "number" and number(value) or native.tostring(value)
    out = n == 1 and text or out .. "\t" .. text
  end
  host.emit(out)
end

env.delay = function(seconds) host.delay(seconds) end
env.waitcomplete = function() end
env.reset = function() host.resetall() end

env.channel = object(
  forward("close", "open", "exclusiveclose", "exclusiveslotclose", "reset", "getclose", "getstate", "getforbidden",
    "setforbidden", "clearforbidden", "getdelay", "setdelay", "getbackplane", "setbackplane"),
  { connectrule = function() return host.getrule() end },
  { connectrule = function(rule) host.setrule(rule) end })
for key, value in pairs({ OFF = 0, BREAK_BEFORE_MAKE = 1, MAKE_BEFORE_BREAK = 2, IND_CLOSED = 1 }) do
  rawset(env.channel, key, value)
end
rawset(env.channel, "pattern", object({
  setimage = function(list, name) host.setpattern(list, name) end,
  snapshot = function(name) host.snapshot(name) end,
  getimage = function(name) return host.getpattern(name) end,
  delete = function(name) host.deletepattern(name) end,
}))

env.errorqueue = object({
  next = function() return host.nexterror() end,
  clear = function() host.clearerrors() end,
}, { count = function() return host.errorcount() end })

env.slot = {}
for n = 1, 6 do
  env.slot[n] = object({
    interlock = object({}, { state = function() return host.interlock(n) end }),
    rows = object({}, { matrix = function() return host.rows(n) end }),
    columns = object({}, { matrix = function() return host.columns(n) end }),
  }, { idn = function() return host.card(n) end })
end

local prompts, setprompts = setting("prompts", 0, 1)
local showerrors, setshowerrors = setting("showerrors", 0, 1)
env.localnode = object({
  model = host.model, serialno = host.serial, version = host.firmware, revision = host.firmware, linefreq = 50,
  reset = env.reset,
}, { prompts = prompts, showerrors = showerrors }, { prompts = setprompts, showerrors = setshowerrors })

local precision, setprecision = setting("asciiprecision", 0, 16)
env.format = object({}, { asciiprecision = precision }, { asciiprecision = setprecision })

local gpibenable, setgpibenable = setting("gpibenable")
local lanenable, setlanenable = setting("lanenable")
env.comm = object({
  gpib = object({}, { enable = gpibenable }, { enable = setgpibenable }),
  lan = object({}, { enable = lanenable }, { enable = setlanenable }),
})
local address, setaddress = setting("address", 0, 30)
env.gpib = object({}, { address = address }, { address = setaddress })
env.lan = object({ status = object({ ipaddress = "127.0.0.1" }), reset = function() end })
env.memory = object({ available = function() return "51.56, 92.84, 100.00, 100.00" end })
env.setup = object({
  save = function(name) host.savesetup(name) end,
  recall = function(name) host.recallsetup(name) end,
})

-- Runs one line. Gives nil, or the kind of error and its text.
local function run(code)
  if code:sub(1, 1) == "\27" then return "syntax", "compiled chunks are not accepted" end
  local chunk, message = native.loadstring(code, "=line")
  if not chunk then return "syntax", message end
  native.setfenv(chunk, env)
  native.sethook(function() host.tick() end, "", 100000)
  local ok, problem = native.pcall(chunk)
  native.sethook()
  if not ok then return "runtime", native.tostring(problem) end
end

return run, function() return settings.prompts == 1, settings.showerrors == 1 end
