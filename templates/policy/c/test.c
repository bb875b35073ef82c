// Tests of policy.c on this machine, without WebAssembly: `make test`.

#undef NDEBUG
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bindings/my_policy.h"

// Ranks workers with that many slots, and that many of them in use.
static my_policy_list_u32_t rank(size_t count, const uint32_t slots[], const uint32_t used[]) {
    exports_andera_routing_ranking_context_t context = {.lane = 1, .function = 1, .attempt = 1, .seed = 1};
    exports_andera_routing_ranking_candidates_t candidates = {0};
    my_policy_list_u32_t *columns[] = {&candidates.worker, &candidates.slots, &candidates.used};
    for (size_t i = 0; i < 3; i++) {
        columns[i]->ptr = calloc(count, sizeof(uint32_t));
        columns[i]->len = count;
    }
    memcpy(candidates.slots.ptr, slots, count * sizeof *slots);
    memcpy(candidates.used.ptr, used, count * sizeof *used);
    my_policy_list_u32_t rows;
    exports_andera_routing_ranking_rank(&context, &candidates, &rows);
    return rows;
}

static void the_least_used_worker_goes_first(void) {
    my_policy_list_u32_t rows = rank(3, (uint32_t[]){2, 8, 4}, (uint32_t[]){1, 2, 3});
    assert(rows.len == 3 && rows.ptr[0] == 1 && rows.ptr[1] == 0 && rows.ptr[2] == 2);
    my_policy_list_u32_free(&rows);
}

static void four_rows_are_enough(void) {
    my_policy_list_u32_t rows = rank(6, (uint32_t[]){8, 8, 8, 8, 8, 8}, (uint32_t[]){5, 4, 3, 2, 1, 0});
    assert(rows.len == 4 && rows.ptr[0] == 5 && rows.ptr[3] == 2);
    my_policy_list_u32_free(&rows);
}

int main(void) {
    the_least_used_worker_goes_first();
    four_rows_are_enough();
    puts("2 tests passed");
    return 0;
}
