// All is there: the gallery begins
if ($('#tiles')) start()
