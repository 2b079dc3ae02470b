// BYTES of variables: must link up to the board's RAM, and not beyond.
#include "harness.h"

static volatile uint8_t block[BYTES];

TEST(the_last_byte_is_there) {
  block[BYTES - 1] = 7;
  EXPECT_EQ(7, block[BYTES - 1]);
}
