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
static const uint8_t file_taxonomies_openai_moderation[] = {
#embed "../../policies/taxonomies/openai-moderation.yaml"
};
static const uint8_t file_taxonomies_qwen3guard[] = {
#embed "../../policies/taxonomies/qwen3guard.yaml"
};
static const uint8_t file_taxonomies_shieldgemma[] = {
#embed "../../policies/taxonomies/shieldgemma.yaml"
};
static const uint8_t file_profiles_generic_json[] = {
#embed "../../policies/profiles/generic-json.yaml"
};
static const uint8_t file_profiles_llama_guard_3_flags[] = {
#embed "../../policies/profiles/llama-guard-3.flags.yaml"
};
static const uint8_t file_profiles_openai_moderation[] = {
#embed "../../policies/profiles/openai-moderation.yaml"
};
static const uint8_t file_profiles_qwen3guard[] = {
#embed "../../policies/profiles/qwen3guard.yaml"
};
static const uint8_t file_profiles_shieldgemma[] = {
#embed "../../policies/profiles/shieldgemma.yaml"
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
    {"taxonomies/openai-moderation.yaml", file_taxonomies_openai_moderation, sizeof file_taxonomies_openai_moderation},
    {"taxonomies/qwen3guard.yaml", file_taxonomies_qwen3guard, sizeof file_taxonomies_qwen3guard},
    {"taxonomies/shieldgemma.yaml", file_taxonomies_shieldgemma, sizeof file_taxonomies_shieldgemma},
    {"profiles/generic-json.yaml", file_profiles_generic_json, sizeof file_profiles_generic_json},
    {"profiles/llama-guard-3.flags.yaml", file_profiles_llama_guard_3_flags, sizeof file_profiles_llama_guard_3_flags},
    {"profiles/openai-moderation.yaml", file_profiles_openai_moderation, sizeof file_profiles_openai_moderation},
    {"profiles/qwen3guard.yaml", file_profiles_qwen3guard, sizeof file_profiles_qwen3guard},
    {"profiles/shieldgemma.yaml", file_profiles_shieldgemma, sizeof file_profiles_shieldgemma},
    {"openapi.json", file_openapi, sizeof file_openapi},
    {"default.yaml", file_default, sizeof file_default},
    {"monitor.yaml", file_monitor, sizeof file_monitor},
    {"strict.yaml", file_strict, sizeof file_strict},
};

size_t cbuiltins_count(void) { return sizeof files / sizeof files[0]; }
cbuiltins_file cbuiltins_at(size_t index) { return files[index]; }
