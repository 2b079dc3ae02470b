// What vectors.py writes on the host is what the device reads: every type, to the last bit.
#include "harness.h"
#include "vectors_vectors.h"

static uint32_t checksum(const void* data, size_t count) {
  const uint8_t* bytes = data;
  uint32_t sum = 2166136261u;  // FNV-1a
  for (size_t i = 0; i < count; i++) sum = (sum ^ bytes[i]) * 16777619u;
  return sum;
}

#define EXPECT_SAME(name)                                       \
  do {                                                          \
    EXPECT_EQ(name##_checksum[0], checksum(name, sizeof name)); \
    EXPECT_EQ(sizeof name / sizeof *name, name##_count);        \
    EXPECT_EQ(0, (uintptr_t)name % 16);                         \
  } while (0)

TEST(integers_arrive_as_they_were) {
  EXPECT_SAME(bytes);
  EXPECT_SAME(unsigned_bytes);
  EXPECT_SAME(halves);
  EXPECT_SAME(unsigned_halves);
  EXPECT_SAME(words);
  EXPECT_SAME(unsigned_words);
  EXPECT_SAME(longs);
}

TEST(floating_point_arrives_as_it_was) { EXPECT_SAME(floats); }

TEST(numbers_are_constants) {
  _Static_assert(lowest == INT32_MIN, "");
  _Static_assert(answer == 42, "");
  EXPECT(lowest < answer);
}
