"""The policy __NAME__: the workers with the smallest share of their slots in use go first."""

# Rows that are named: those after the first are for when it is taken at the same moment.
NAMED = 4


# EDIT: who gets a task. The balancer has left out all workers that must not have it.
def rank(context, candidates):
    slots, used = candidates.slots, candidates.used
    return sorted(range(len(slots)), key=lambda row: used[row] / slots[row])[:NAMED]
