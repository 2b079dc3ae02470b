// arenafit's planners driven from Python: what TFLM does with them, and the log that it would see.
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <new>
#include <vector>

#include "arenafit/memory_planner.h"
#include "arenafit/offline_memory_planner.h"
#include "tensorflow/lite/micro/micro_log.h"

namespace {

char g_log[1 << 16];
size_t g_logged = 0;

}  // namespace

void MicroPrintf(const char* format, ...) {
  va_list arguments;
  va_start(arguments, format);
  const int size = vsnprintf(g_log + g_logged, sizeof g_log - g_logged, format, arguments);
  va_end(arguments);
  g_logged += static_cast<size_t>(size);
  if (g_logged + 1 < sizeof g_log) {
    g_log[g_logged++] = '\n';
    g_log[g_logged] = '\0';
  } else {
    g_logged = sizeof g_log - 1;
  }
}

namespace arenafit {
namespace tflm {

extern "C" {

MicroMemoryPlanner* planner_new(const void* plan, size_t size, bool online) {
  g_logged = 0;
  g_log[0] = '\0';
  if (online) {
    return new MemoryPlanner(PlanBytes{plan, size});
  }
  return new OfflineMemoryPlanner(PlanBytes{plan, size});
}

void planner_delete(MicroMemoryPlanner* planner, bool online) {
  // The interface's own delete does nothing, as on a device.
  if (online) {
    static_cast<MemoryPlanner*>(planner)->~MemoryPlanner();
  } else {
    static_cast<OfflineMemoryPlanner*>(planner)->~OfflineMemoryPlanner();
  }
  ::operator delete(planner);
}

void planner_set_plan(MicroMemoryPlanner* planner, const void* plan, size_t size, bool online) {
  if (online) {
    static_cast<MemoryPlanner*>(planner)->SetPlan(PlanBytes{plan, size});
  } else {
    static_cast<OfflineMemoryPlanner*>(planner)->SetPlan(PlanBytes{plan, size});
  }
}

int planner_init(MicroMemoryPlanner* planner, unsigned char* scratch, int size) {
  return planner->Init(scratch, size);
}

int planner_add(MicroMemoryPlanner* planner, int size, int first, int last) {
  return planner->AddBuffer(size, first, last);
}

int planner_add_offline(MicroMemoryPlanner* planner, int size, int first, int last, int offset) {
  return planner->AddBuffer(size, first, last, offset);
}

int planner_offset(MicroMemoryPlanner* planner, int index, int* offset) {
  return planner->GetOffsetForBuffer(index, offset);
}

size_t planner_head(MicroMemoryPlanner* planner) { return planner->GetMaximumMemorySize(); }

int planner_count(MicroMemoryPlanner* planner) { return planner->GetBufferCount(); }

void planner_print(MicroMemoryPlanner* planner) { planner->PrintMemoryPlan(); }

const char* planner_log() { return g_log; }

}  // extern "C"

}  // namespace tflm
}  // namespace arenafit
