// The few functions of the C library that bindings and compiler need: there is none for WebAssembly without a system.
// Blocks come in powers of two, and go back to a list of their size.

#include <stdlib.h>
#include <string.h>

#define PAGE 65536
// Keeps what follows aligned for any type.
#define HEADER 16
// Blocks of 32 bytes to 1 GiB.
#define SMALLEST 5
#define LARGEST 30

typedef struct block {
    size_t size_class;
    struct block *next;
} block;

extern unsigned char __heap_base;
static block *free_blocks[LARGEST + 1];
static size_t unused;

void abort(void) {
    __builtin_trap();
}

void *malloc(size_t size) {
    size_t size_class = SMALLEST;
    while (size_class <= LARGEST && ((size_t)1 << size_class) - HEADER < size) size_class++;
    if (size_class > LARGEST) abort();
    block *found = free_blocks[size_class];
    if (found) {
        free_blocks[size_class] = found->next;
        return (unsigned char *)found + HEADER;
    }
    if (!unused) unused = ((size_t)&__heap_base + HEADER - 1) & ~(size_t)(HEADER - 1);
    size_t bytes = (size_t)1 << size_class, end = unused + bytes, have = __builtin_wasm_memory_size(0) * PAGE;
    if (end < unused) abort();
    if (end > have && __builtin_wasm_memory_grow(0, (end - have + PAGE - 1) / PAGE) == (size_t)-1) abort();
    found = (block *)unused;
    found->size_class = size_class;
    unused = end;
    return (unsigned char *)found + HEADER;
}

void free(void *memory) {
    if (!memory) return;
    block *freed = (block *)((unsigned char *)memory - HEADER);
    freed->next = free_blocks[freed->size_class];
    free_blocks[freed->size_class] = freed;
}

void *realloc(void *memory, size_t size) {
    if (!memory) return malloc(size);
    block *old = (block *)((unsigned char *)memory - HEADER);
    size_t room = ((size_t)1 << old->size_class) - HEADER;
    if (size <= room) return memory;
    void *moved = malloc(size);
    memcpy(moved, memory, room);
    free(memory);
    return moved;
}

void *memcpy(void *to, const void *from, size_t count) {
    for (size_t i = 0; i < count; i++) ((unsigned char *)to)[i] = ((const unsigned char *)from)[i];
    return to;
}

void *memmove(void *to, const void *from, size_t count) {
    if ((size_t)to <= (size_t)from) return memcpy(to, from, count);
    for (size_t i = count; i > 0; i--) ((unsigned char *)to)[i - 1] = ((const unsigned char *)from)[i - 1];
    return to;
}

void *memset(void *to, int byte, size_t count) {
    for (size_t i = 0; i < count; i++) ((unsigned char *)to)[i] = (unsigned char)byte;
    return to;
}

size_t strlen(const char *text) {
    size_t length = 0;
    while (text[length]) length++;
    return length;
}
