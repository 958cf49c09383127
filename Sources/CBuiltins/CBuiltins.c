#include "CBuiltins.h"

static const cbuiltins_file files[] = {
    {0, 0, 0},
};

size_t cbuiltins_count(void) { return sizeof files / sizeof files[0] - 1; }
cbuiltins_file cbuiltins_at(size_t index) { return files[index]; }
