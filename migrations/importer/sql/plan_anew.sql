-- The session keeps its plans. Make them anew each time the table may have doubled.
DISCARD PLANS
