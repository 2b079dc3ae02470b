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

// Until it fails.
static arenafit_segment_status run(const network* net, const arenafit_source* source) {
  arenafit_segment_status status = ARENAFIT_SEGMENT_OK;
  for (uint32_t i = 0; i < net->count && status == ARENAFIT_SEGMENT_OK; i++) {
    const int32_t* call = net->calls + i * kColumns;
    const void* const inputs[] = {memory + call[kInput]};
    void* const outputs[] = {memory + call[kOutput]};
    status = arenafit_segment_run((const void*)(net->programs + call[kStart]), inputs, outputs,
                                  memory + call[kWorkspace], source);
  }
  return status;
}

// An image somewhere else, of which rows are asked for.
typedef struct {
  const int8_t* image;
  uint32_t next;  // row
  uint32_t left;  // rows
} camera;

static int next_row(void* context, uint32_t input, uint32_t row, void* into, size_t bytes) {
  camera* self = context;
  EXPECT_EQ(0, input);
  EXPECT_EQ(self->next, row);
  self->next++;
  if (self->left == 0) {
    return 1;
  }
  self->left--;
  memcpy(into, self->image + row * bytes, bytes);
  return 0;
}

static void expect_untouched_from(size_t end) {
  for (size_t i = end; i < sizeof memory; i++) {
    if (memory[i] != 0x5A) {
      EXPECT_EQ(-1, (int64_t)i);
      return;
    }
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
    arenafit_segment_status status = ARENAFIT_SEGMENT_ABORTED;                       \
    MEASURE { status = run(&net, NULL); }                                            \
    EXPECT_EQ(ARENAFIT_SEGMENT_OK, status);                                          \
    EXPECT_BYTES(name##_expected, memory + name##_output_at, name##_expected_count); \
    expect_untouched_from(name##_arena);                                             \
  } while (0)

// The same without the input in the arena.
#define EXPECT_OUTPUTS_OF_TFLM_WHERE_ROWS_ARE_FED(name)                                  \
  do {                                                                                   \
    const network net = NETWORK(name##_fed);                                             \
    camera rows = {name##_input, 0, UINT32_MAX};                                         \
    const arenafit_source source = {next_row, &rows};                                    \
    prepare(&net);                                                                       \
    memset(memory, 0x5A, sizeof memory);                                                 \
    arenafit_segment_status status = ARENAFIT_SEGMENT_ABORTED;                           \
    MEASURE { status = run(&net, &source); }                                             \
    EXPECT_EQ(ARENAFIT_SEGMENT_OK, status);                                              \
    EXPECT_EQ(name##_input_count / name##_fed_row, rows.next);                           \
    EXPECT_BYTES(name##_expected, memory + name##_fed_output_at, name##_expected_count); \
    expect_untouched_from(name##_fed_arena);                                             \
  } while (0)

TEST(lenet5_28_gives_the_bytes_of_tflm) { EXPECT_OUTPUTS_OF_TFLM(lenet5_28); }

TEST(ds_cnn_kws_gives_the_bytes_of_tflm) { EXPECT_OUTPUTS_OF_TFLM(ds_cnn_kws); }

TEST(resnet8_cifar_gives_the_bytes_of_tflm) { EXPECT_OUTPUTS_OF_TFLM(resnet8_cifar); }

TEST(a_network_split_by_channels_gives_the_bytes_of_tflm) { EXPECT_OUTPUTS_OF_TFLM(deep); }

TEST(lenet5_28_gives_the_bytes_of_tflm_where_rows_are_fed) {
  EXPECT_OUTPUTS_OF_TFLM_WHERE_ROWS_ARE_FED(lenet5_28);
}

TEST(ds_cnn_kws_gives_the_bytes_of_tflm_where_rows_are_fed) {
  EXPECT_OUTPUTS_OF_TFLM_WHERE_ROWS_ARE_FED(ds_cnn_kws);
}

TEST(resnet8_cifar_gives_the_bytes_of_tflm_where_rows_are_fed) {
  EXPECT_OUTPUTS_OF_TFLM_WHERE_ROWS_ARE_FED(resnet8_cifar);
}

TEST(a_camera_that_fails_ends_the_run) {
  const network net = NETWORK(resnet8_cifar_fed);
  camera rows = {resnet8_cifar_input, 0, 9};
  const arenafit_source source = {next_row, &rows};
  EXPECT_EQ(ARENAFIT_SEGMENT_ABORTED, run(&net, &source));
  EXPECT_EQ(10, rows.next);
  EXPECT_EQ(ARENAFIT_SEGMENT_SOURCE, run(&net, NULL));
}

TEST(a_program_with_one_wrong_bit_is_refused) {
  const size_t size = (size_t)ds_cnn_kws_calls[kSize];
  EXPECT(size <= sizeof memory);
  memcpy(memory, ds_cnn_kws_programs, size);
  EXPECT_EQ(ARENAFIT_SEGMENT_OK, arenafit_segment_check(memory, size));
  memory[size / 2] ^= 1;
  EXPECT_EQ(ARENAFIT_SEGMENT_CHECKSUM, arenafit_segment_check(memory, size));
}
