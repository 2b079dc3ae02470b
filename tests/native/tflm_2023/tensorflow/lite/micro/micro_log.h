// See memory_planner/micro_memory_planner.h.
#ifndef ARENAFIT_TESTS_MICRO_LOG_H_
#define ARENAFIT_TESTS_MICRO_LOG_H_

void MicroPrintf(const char* format, ...);

#endif  // ARENAFIT_TESTS_MICRO_LOG_H_
