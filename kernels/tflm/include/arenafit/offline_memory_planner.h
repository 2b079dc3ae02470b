// A memory planner for TFLM that places what arenafit has planned, or refuses.
//
//   arenafit::OfflineMemoryPlanner planner(arenafit::PlanInModel(tflite::GetModel(data)));
//
// As arenafit::MemoryPlanner, but without planning on the device: a model without a plan, or with
// more scratch than planned, is an error of AllocateTensors. It takes no room in the arena.
#ifndef ARENAFIT_OFFLINE_MEMORY_PLANNER_H_
#define ARENAFIT_OFFLINE_MEMORY_PLANNER_H_

#include <stddef.h>

#include "arenafit/plan.h"
#include "arenafit/plan_in_model.h"
#include "arenafit/tflm_names.h"
#include "tensorflow/lite/micro/compatibility.h"
#include "tensorflow/lite/micro/memory_planner/micro_memory_planner.h"

namespace arenafit {
namespace tflm {

class OfflineMemoryPlanner final : public MicroMemoryPlanner {
 public:
  explicit OfflineMemoryPlanner(PlanBytes plan) : plan_(plan) {}
  ~OfflineMemoryPlanner() override {}

  // The plan for the next model, where several share one allocator.
  void SetPlan(PlanBytes plan) { plan_ = plan; }

  TfLiteStatus Init(unsigned char* scratch, int size) override;
  TfLiteStatus AddBuffer(int size, int first, int last) override;
  TfLiteStatus AddBuffer(int size, int first, int last, int offline_offset) override;
  size_t GetMaximumMemorySize() override;  // 0 where the plan is not sound
  int GetBufferCount() override;
  TfLiteStatus GetOffsetForBuffer(int index, int* offset) override;
  bool preserves_all_tensors() const override { return false; }

 private:
  PlanBytes plan_;
  const arenafit_plan* sound_ = nullptr;  // plan_, once it has been checked
  unsigned count_ = 0;

  TF_LITE_REMOVE_VIRTUAL_DELETE
};

}  // namespace tflm

using tflm::OfflineMemoryPlanner;

}  // namespace arenafit

#endif  // ARENAFIT_OFFLINE_MEMORY_PLANNER_H_
