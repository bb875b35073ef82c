-- Takes the steps.
local function take_steps(_, arguments)
    begin(arguments)
    local answers, from = {}, 10
    while from <= #arguments do
        local name, count = arguments[from], tonumber(arguments[from + 1])
        if name ~= 'claim' then
            emptied = nil
        end
        answers[#answers + 1] = steps[name](unpack(arguments, from + 2, from + 1 + count)) or false
        from = from + 2 + count
    end
    return answers
end
