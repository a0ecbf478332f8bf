"""The state of an object, the cause of that state and the next move. Pure: nothing here reaches the network."""
