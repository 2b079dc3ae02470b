// Networks of floats and of int16 on the device: the bits that TFLM computes on the host.
#include <string.h>

#include "arenafit/segment.h"
#include "harness.h"
#include "segment_types_vectors.h"

static uint8_t memory[32 * 1024] __attribute__((aligned(ARENAFIT_PROGRAM_ALIGNMENT)));

#define EXPECT_OUTPUTS_OF_TFLM(name)                                                               \
  do {                                                                                             \
    _Static_assert(name##_arena <= sizeof memory, "an arena larger than memory");                  \
    const void* program = name##_program;                                                          \
    const void* const inputs[] = {memory + name##_input_at};                                       \
    void* const outputs[] = {memory + name##_output_at};                                           \
    EXPECT_EQ(ARENAFIT_SEGMENT_OK, arenafit_segment_check(program, name##_program_count));         \
    EXPECT_EQ(ARENAFIT_SEGMENT_OK,                                                                 \
              arenafit_segment_rehearse(program, memory + name##_workspace_at));                   \
    EXPECT_EQ(ARENAFIT_SEGMENT_OK, arenafit_segment_check_overlap(program, inputs, outputs));      \
    memcpy(memory + name##_input_at, name##_input, name##_input_count);                            \
    arenafit_segment_status status = ARENAFIT_SEGMENT_ABORTED;                                     \
    MEASURE {                                                                                      \
      status = arenafit_segment_run(program, inputs, outputs, memory + name##_workspace_at, NULL); \
    }                                                                                              \
    EXPECT_EQ(ARENAFIT_SEGMENT_OK, status);                                                        \
    EXPECT_BYTES(name##_expected, memory + name##_output_at, name##_expected_count);               \
  } while (0)

TEST(a_network_of_floats_gives_the_bits_of_tflm) { EXPECT_OUTPUTS_OF_TFLM(floats); }

TEST(a_network_of_int16_gives_the_bits_of_tflm) { EXPECT_OUTPUTS_OF_TFLM(wide); }

TEST(a_network_of_int8_between_other_types_gives_the_bits_of_tflm) {
  EXPECT_OUTPUTS_OF_TFLM(between);
}
