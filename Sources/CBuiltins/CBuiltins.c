#include "CBuiltins.h"

#pragma clang diagnostic ignored "-Wc23-extensions"

static const uint8_t file_taxonomies_llama_guard_1[] = {
#embed "../../policies/taxonomies/llama-guard-1.yaml"
};
static const uint8_t file_taxonomies_llama_guard_2[] = {
#embed "../../policies/taxonomies/llama-guard-2.yaml"
};
static const uint8_t file_taxonomies_llama_guard_3[] = {
#embed "../../policies/taxonomies/llama-guard-3.yaml"
};
static const uint8_t file_profiles_llama_guard_1_cookbook[] = {
#embed "../../policies/profiles/llama-guard-1.cookbook.yaml"
};
static const uint8_t file_profiles_llama_guard_2[] = {
#embed "../../policies/profiles/llama-guard-2.yaml"
};
static const uint8_t file_profiles_llama_guard_3_1b[] = {
#embed "../../policies/profiles/llama-guard-3-1b.yaml"
};
static const uint8_t file_profiles_llama_guard_3_8b_cookbook[] = {
#embed "../../policies/profiles/llama-guard-3-8b.cookbook.yaml"
};
static const uint8_t file_profiles_llama_guard_3_8b[] = {
#embed "../../policies/profiles/llama-guard-3-8b.yaml"
};
static const uint8_t file_profiles_llama_guard_4_12b[] = {
#embed "../../policies/profiles/llama-guard-4-12b.yaml"
};
static const uint8_t file_default[] = {
#embed "../../policies/default.yaml"
};
static const uint8_t file_monitor[] = {
#embed "../../policies/monitor.yaml"
};
static const uint8_t file_strict[] = {
#embed "../../policies/strict.yaml"
};
static const uint8_t file_openapi[] = {
#embed "../../docs/openapi.json"
};

static const cbuiltins_file files[] = {
    {"taxonomies/llama-guard-1.yaml", file_taxonomies_llama_guard_1, sizeof file_taxonomies_llama_guard_1},
    {"taxonomies/llama-guard-2.yaml", file_taxonomies_llama_guard_2, sizeof file_taxonomies_llama_guard_2},
    {"taxonomies/llama-guard-3.yaml", file_taxonomies_llama_guard_3, sizeof file_taxonomies_llama_guard_3},
    {"profiles/llama-guard-1.cookbook.yaml", file_profiles_llama_guard_1_cookbook, sizeof file_profiles_llama_guard_1_cookbook},
    {"profiles/llama-guard-2.yaml", file_profiles_llama_guard_2, sizeof file_profiles_llama_guard_2},
    {"profiles/llama-guard-3-1b.yaml", file_profiles_llama_guard_3_1b, sizeof file_profiles_llama_guard_3_1b},
    {"profiles/llama-guard-3-8b.cookbook.yaml", file_profiles_llama_guard_3_8b_cookbook, sizeof file_profiles_llama_guard_3_8b_cookbook},
    {"profiles/llama-guard-3-8b.yaml", file_profiles_llama_guard_3_8b, sizeof file_profiles_llama_guard_3_8b},
    {"profiles/llama-guard-4-12b.yaml", file_profiles_llama_guard_4_12b, sizeof file_profiles_llama_guard_4_12b},
    {"openapi.json", file_openapi, sizeof file_openapi},
    {"default.yaml", file_default, sizeof file_default},
    {"monitor.yaml", file_monitor, sizeof file_monitor},
    {"strict.yaml", file_strict, sizeof file_strict},
};

size_t cbuiltins_count(void) { return sizeof files / sizeof files[0]; }
cbuiltins_file cbuiltins_at(size_t index) { return files[index]; }
