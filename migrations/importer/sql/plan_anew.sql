-- Plans are kept. They are made anew as the table grows, each time that it may have doubled.
DISCARD PLANS
