// Where a model keeps arenafit's memory plan.
#ifndef ARENAFIT_PLAN_IN_MODEL_H_
#define ARENAFIT_PLAN_IN_MODEL_H_

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "arenafit/plan.h"

namespace arenafit {

// A memory plan in the format of arenafit/plan.h, not checked; it must outlive its planner.
struct PlanBytes {
  const void* data = nullptr;  // nullptr: there is none
  size_t size = 0;
};

// The plan in `model`, a tflite::Model as tflite::GetModel gives it. A template, so that it takes
// the Model of any TFLM, and this header none of its headers.
template <typename Model>
PlanBytes PlanInModel(const Model* model) {
  PlanBytes plan;
  if (model == nullptr || model->metadata() == nullptr || model->buffers() == nullptr) {
    return plan;
  }
  for (uint32_t i = 0; i < model->metadata()->size(); ++i) {
    const auto* entry = model->metadata()->Get(i);
    if (entry->name() != nullptr && entry->buffer() < model->buffers()->size() &&
        strcmp(entry->name()->c_str(), ARENAFIT_PLAN_METADATA) == 0) {
      const auto* data = model->buffers()->Get(entry->buffer())->data();
      if (data != nullptr) {
        plan.data = data->data();
        plan.size = data->size();
      }
    }
  }
  return plan;
}

}  // namespace arenafit

#endif  // ARENAFIT_PLAN_IN_MODEL_H_
