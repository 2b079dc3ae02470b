// Whole networks on the device, without TFLM: segments from flash, one after the other, in an arena
// of just the bytes that were planned for it.
#include <string.h>

#include "arenafit/segment.h"
#include "harness.h"
#include "segment_vectors.h"

// A row of `calls`: start and size of the program, and where in the arena input, output and
// workspace are.
enum { kStart, kSize, kInput, kOutput, kWorkspace, kColumns };

typedef struct {
  const uint8_t* programs;
  const int32_t* calls;
  uint32_t count;
} network;

static uint8_t memory[64 * 1024] __attribute__((aligned(ARENAFIT_PROGRAM_ALIGNMENT)));

static void prepare(const network* net) {
  for (uint32_t i = 0; i < net->count; i++) {
    const int32_t* call = net->calls + i * kColumns;
    const void* program = net->programs + call[kStart];
    const void* const inputs[] = {memory + call[kInput]};
    void* const outputs[] = {memory + call[kOutput]};
    EXPECT_EQ(ARENAFIT_SEGMENT_OK, arenafit_segment_check(program, (size_t)call[kSize]));
    EXPECT_EQ(ARENAFIT_SEGMENT_OK, arenafit_segment_rehearse(program, memory + call[kWorkspace]));
    EXPECT_EQ(ARENAFIT_SEGMENT_OK, arenafit_segment_check_overlap(program, inputs, outputs));
  }
}

static void run(const network* net) {
  for (uint32_t i = 0; i < net->count; i++) {
    const int32_t* call = net->calls + i * kColumns;
    const void* const inputs[] = {memory + call[kInput]};
    void* const outputs[] = {memory + call[kOutput]};
    arenafit_segment_run((const void*)(net->programs + call[kStart]), inputs, outputs,
                         memory + call[kWorkspace], NULL);
  }
}

#define NETWORK(name) \
  { name##_programs, name##_calls, name##_calls_count / kColumns }

// Fills what is behind the arena, so that a write there shows.
#define EXPECT_OUTPUTS_OF_TFLM(name)                                                 \
  do {                                                                               \
    const network net = NETWORK(name);                                               \
    _Static_assert(name##_arena < sizeof memory, "an arena larger than memory");     \
    prepare(&net);                                                                   \
    memset(memory, 0x5A, sizeof memory);                                             \
    memcpy(memory + name##_input_at, name##_input, name##_input_count);              \
    MEASURE { run(&net); }                                                           \
    EXPECT_BYTES(name##_expected, memory + name##_output_at, name##_expected_count); \
    for (size_t i = name##_arena; i < sizeof memory; i++) {                          \
      if (memory[i] != 0x5A) {                                                       \
        EXPECT_EQ(-1, (int64_t)i);                                                   \
        break;                                                                       \
      }                                                                              \
    }                                                                                \
  } while (0)

TEST(lenet5_28_gives_the_bytes_of_tflm) { EXPECT_OUTPUTS_OF_TFLM(lenet5_28); }

TEST(ds_cnn_kws_gives_the_bytes_of_tflm) { EXPECT_OUTPUTS_OF_TFLM(ds_cnn_kws); }

TEST(resnet8_cifar_gives_the_bytes_of_tflm) { EXPECT_OUTPUTS_OF_TFLM(resnet8_cifar); }

TEST(a_program_with_one_wrong_bit_is_refused) {
  const size_t size = (size_t)ds_cnn_kws_calls[kSize];
  EXPECT(size <= sizeof memory);
  memcpy(memory, ds_cnn_kws_programs, size);
  EXPECT_EQ(ARENAFIT_SEGMENT_OK, arenafit_segment_check(memory, size));
  memory[size / 2] ^= 1;
  EXPECT_EQ(ARENAFIT_SEGMENT_CHECKSUM, arenafit_segment_check(memory, size));
}
