// Must be reported as one that failed between two that passed.
#include "harness.h"

TEST(before) { EXPECT(true); }

TEST(wrong) {
  static const uint8_t expected[4] = {1, 2, 3, 4};
  static const uint8_t actual[4] = {1, 2, 3, 5};
  EXPECT_EQ(4, 2 + 3);
  EXPECT_BYTES(expected, actual, sizeof expected);
  EXPECT(expected[0] == 2);
}

TEST(after) { EXPECT(true); }
