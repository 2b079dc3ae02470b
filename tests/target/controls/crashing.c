// Must be reported as a crash: nothing is at the address.
#include "harness.h"

TEST(before) { EXPECT(true); }

TEST(reads_nowhere) { EXPECT_EQ(0, *(volatile uint32_t*)0xF0000000u); }

TEST(never_reached) { EXPECT(true); }
