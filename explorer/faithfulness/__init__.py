"""Is this picture true? Maps and graphs held against interventions, and those against chance."""
