// Kernels of segments on the device, whatever code they have for it: bytes of the host's portable
// C, which are TFLM's.
#include <string.h>

#include "arenafit/segment.h"
#include "harness.h"
#include "kernels_vectors.h"

// A row of cases: where in the blob something is, and its bytes.
enum { kProgram, kFirst = 2, kSecond = 4, kMade = 6, kColumns = 8 };

enum { kGuard = 16, kSlack = 3 };

static uint8_t memory[3][largest + kSlack + kGuard]
    __attribute__((aligned(ARENAFIT_PROGRAM_ALIGNMENT)));
static uint8_t workspace[16 * 1024] __attribute__((aligned(ARENAFIT_PROGRAM_ALIGNMENT)));

// Inputs and output lie at addresses of every alignment.
static void run_case(const int32_t* row, uint32_t number) {
  const void* program = blob + row[kProgram];
  EXPECT_EQ(ARENAFIT_SEGMENT_OK, arenafit_segment_check(program, (size_t)row[kProgram + 1]));
  EXPECT_EQ(ARENAFIT_SEGMENT_OK, arenafit_segment_rehearse(program, workspace));
  EXPECT(arenafit_segment_get_buffer_size(program) <= sizeof workspace);
  uint8_t* const first = memory[0] + number % 4;
  uint8_t* const second = memory[1] + number / 4 % 4;
  uint8_t* const made = memory[2] + number / 16 % 4;
  const size_t count = (size_t)row[kMade + 1];
  memcpy(first, blob + row[kFirst], (size_t)row[kFirst + 1]);
  memcpy(second, blob + row[kSecond], (size_t)row[kSecond + 1]);
  memset(made, 0x5A, count + kGuard);
  const void* const inputs[] = {first, second};
  void* const outputs[] = {made};
  arenafit_segment_status status = ARENAFIT_SEGMENT_ABORTED;
  MEASURE { status = arenafit_segment_run(program, inputs, outputs, workspace, NULL); }
  EXPECT_EQ(ARENAFIT_SEGMENT_OK, status);
  EXPECT_BYTES(blob + row[kMade], made, count);
  for (size_t i = count; i < count + kGuard; i++) {
    EXPECT_EQ(0x5A, made[i]);
  }
}

static void run_cases(const int32_t* cases, uint32_t count) {
  for (uint32_t i = 0; i < count / kColumns; i++) {
    run_case(cases + i * kColumns, i);
  }
}

TEST(convolutions_give_the_bytes_of_portable_c) { run_cases(conv_cases, conv_cases_count); }

TEST(long_sums_give_the_bytes_of_portable_c) { run_cases(long_cases, long_cases_count); }

TEST(edges_of_scales_give_the_bytes_of_portable_c) { run_cases(edges_cases, edges_cases_count); }

TEST(sums_of_slices_give_the_bytes_of_portable_c) { run_cases(sums_cases, sums_cases_count); }

TEST(depthwise_convolutions_give_the_bytes_of_portable_c) {
  run_cases(depthwise_cases, depthwise_cases_count);
}

TEST(fully_connected_layers_give_the_bytes_of_portable_c) {
  run_cases(fully_connected_cases, fully_connected_cases_count);
}

TEST(arithmetic_gives_the_bytes_of_portable_c) {
  run_cases(arithmetic_cases, arithmetic_cases_count);
}
