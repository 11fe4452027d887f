-- Each connection of wrk waits so many milliseconds before its next request.
function delay()
  return 50
end
