-- Takes the steps.
local answers, from = {}, 10
while from <= #ARGV do
    local name, count = ARGV[from], tonumber(ARGV[from + 1])
    answers[#answers + 1] = steps[name](unpack(ARGV, from + 2, from + 1 + count)) or false
    from = from + 2 + count
end
return answers
