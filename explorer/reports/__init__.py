"""Reports: what is known of a case, gathered into one page to attach to a paper or a ticket, as HTML or PDF."""
