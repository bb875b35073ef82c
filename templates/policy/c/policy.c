// The policy __NAME__: the workers with the smallest share of their slots in use go first.

#include "bindings/my_policy.h"

#include <stdlib.h>

// Rows that are named: those after the first are for when it is taken at the same moment.
#define NAMED 4

typedef exports_andera_routing_ranking_context_t context_t;
typedef exports_andera_routing_ranking_candidates_t candidates_t;

// Whether the worker in row a has a smaller share of its slots in use than the one in row b.
static bool less_used(const candidates_t *candidates, uint32_t a, uint32_t b) {
    uint64_t used_a = candidates->used.ptr[a], used_b = candidates->used.ptr[b];
    return used_a * candidates->slots.ptr[b] < used_b * candidates->slots.ptr[a];
}

// EDIT: who gets a task. The balancer has left out all workers that must not have it.
// Arguments belong to the function, which frees them; what it gives back is freed by the caller.
void exports_andera_routing_ranking_rank(context_t *context, candidates_t *candidates, my_policy_list_u32_t *rows) {
    (void)context;
    uint32_t *best = malloc(NAMED * sizeof *best);
    size_t count = 0;
    for (uint32_t row = 0; row < candidates->worker.len; row++) {
        size_t place = count;
        while (place > 0 && less_used(candidates, row, best[place - 1])) place--;
        if (place == NAMED) continue;
        if (count < NAMED) count++;
        for (size_t i = count - 1; i > place; i--) best[i] = best[i - 1];
        best[place] = row;
    }
    rows->ptr = best;
    rows->len = count;
    exports_andera_routing_ranking_candidates_free(candidates);
}

// EDIT: `stateful` is true for a policy that remembers something from one call to the next.
void exports_andera_routing_setup_describe(exports_andera_routing_setup_info_t *info) {
    my_policy_string_dup(&info->name, "__NAME__");
    my_policy_string_dup(&info->version, "0.1.0");
    info->stateful = false;
}

// EDIT: read the policy's own configuration, a JSON object. To refuse it, set `error` with my_policy_string_dup and return false.
bool exports_andera_routing_setup_configure(my_policy_string_t *json, my_policy_string_t *error) {
    (void)error;
    my_policy_string_free(json);
    return true;
}

// EDIT: keep what you need of the addresses and tags of workers, and of the names of lanes and functions.
void exports_andera_routing_setup_topology(exports_andera_routing_setup_directory_t *directory) {
    exports_andera_routing_setup_directory_free(directory);
}
