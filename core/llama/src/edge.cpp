// Calls into llama.cpp that may throw. An exception that reached Rust would end the process; here it
// becomes a return value: 0, or 1 and its words in `what`, which has room for `size` bytes.

#include "llama.h"

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <exception>
#include <new>
#include <stdexcept>

namespace {

void say(char *what, size_t size, const char *text) noexcept {
    if (what == nullptr || size == 0) {
        return;
    }
    std::strncpy(what, text, size - 1);
    what[size - 1] = '\0';
}

template <typename Work> int guarded(char *what, size_t size, Work work) noexcept {
    try {
        work();
        return 0;
    } catch (const std::bad_alloc &) {
        say(what, size, "out of memory");
    } catch (const std::exception &error) {
        say(what, size, error.what());
    } catch (...) {
        say(what, size, "an exception without words");
    }
    return 1;
}

} // namespace

extern "C" {

int indwell_edge_decode(llama_context *context, llama_batch batch, int32_t *code, char *what,
                        size_t size) {
    return guarded(what, size, [&] { *code = llama_decode(context, batch); });
}

int indwell_edge_copy(llama_memory_t memory, llama_seq_id from, llama_seq_id to, llama_pos start,
                      llama_pos end, char *what, size_t size) {
    return guarded(what, size, [&] { llama_memory_seq_cp(memory, from, to, start, end); });
}

int indwell_edge_remove(llama_memory_t memory, llama_seq_id sequence, llama_pos start,
                        llama_pos end, bool *removed, char *what, size_t size) {
    return guarded(what, size,
                   [&] { *removed = llama_memory_seq_rm(memory, sequence, start, end); });
}

int indwell_edge_state_size(llama_context *context, llama_seq_id sequence,
                            llama_state_seq_flags flags, size_t *bytes, char *what, size_t size) {
    return guarded(what, size,
                   [&] { *bytes = llama_state_seq_get_size_ext(context, sequence, flags); });
}

int indwell_edge_state_get(llama_context *context, uint8_t *to, size_t length,
                           llama_seq_id sequence, size_t *written, char *what, size_t size) {
    return guarded(
        what, size, [&] { *written = llama_state_seq_get_data(context, to, length, sequence); });
}

int indwell_edge_state_set(llama_context *context, const uint8_t *from, size_t length,
                           llama_seq_id sequence, size_t *read, char *what, size_t size) {
    return guarded(what, size,
                   [&] { *read = llama_state_seq_set_data(context, from, length, sequence); });
}

int indwell_edge_sample(llama_sampler *sampler, llama_token_data_array *candidates, char *what,
                        size_t size) {
    return guarded(what, size, [&] { llama_sampler_apply(sampler, candidates); });
}

// For a test: throws as llama.cpp does (0), as an allocation does (1), or what is no exception (2).
int indwell_edge_throw(int kind, char *what, size_t size) {
    return guarded(what, size, [&] {
        switch (kind) {
        case 0: throw std::runtime_error("thrown on purpose");
        case 1: throw std::bad_alloc();
        default: throw kind;
        }
    });
}

} // extern "C"
