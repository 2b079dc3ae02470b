// See memory_planner/micro_memory_planner.h.
#ifndef ARENAFIT_TESTS_COMPATIBILITY_H_
#define ARENAFIT_TESTS_COMPATIBILITY_H_

#define TF_LITE_REMOVE_VIRTUAL_DELETE \
  void operator delete(void*) {}

#endif  // ARENAFIT_TESTS_COMPATIBILITY_H_
