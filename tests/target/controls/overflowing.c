// Must be reported as a stack overflow.
#include "harness.h"

static volatile int depth;

__attribute__((noinline)) static int descend(int from) {
  volatile int here[64];
  here[0] = from;
  if (depth++ < 0) return 0;  // never: gcc refuses what is without end
  return descend(here[0] + 1) + here[0];
}

TEST(descends_for_ever) { EXPECT_EQ(0, descend(1)); }
