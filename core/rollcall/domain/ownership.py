"""Who is the top owner of a pod: the pure steps of the walk; the shell does the reading between them."""
