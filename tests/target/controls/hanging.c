// Must be reported as out of time.
#include "harness.h"

TEST(before) { EXPECT(true); }

TEST(waits_for_ever) {
  for (volatile int wait = 1; wait;) {
  }
}
