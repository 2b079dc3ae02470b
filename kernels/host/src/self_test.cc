#include "self_test.h"

#include <cstring>

#include "tensorflow/lite/micro/micro_log.h"

namespace arenafit {
namespace host {
namespace {

using namespace tflite::micro;  // NOLINT(build/namespaces)

constexpr int kExtents[] = {1, 2, 3, 5};
constexpr int kElements = 30;

struct Data {  // in the persistent part of the arena
  int scratch;
  int addend;
};

// Says in the log what is not as the headers have it.
bool Expect(bool holds, const char* what) {
  if (!holds) {
    MicroPrintf("arenafit: self-test: %s", what);
  }
  return holds;
}

bool AreExtents(const TfLiteIntArray* dims) {
  return dims != nullptr && dims->size == 4 &&
         std::memcmp(dims->data, kExtents, sizeof kExtents) == 0;
}

bool IsTensor(MicroContext* context, int index) {
  TfLiteTensor* tensor = context->AllocateTempTfLiteTensor(index);
  if (!Expect(tensor != nullptr, "AllocateTempTfLiteTensor")) {
    return false;
  }
  const bool holds = Expect(tensor->type == kTfLiteInt8 && tensor->bytes == kElements &&
                                !tensor->is_variable && AreExtents(tensor->dims),
                            "TfLiteTensor") &&
                     Expect(tensor->params.scale == 0.5f && tensor->params.zero_point == -3,
                            "TfLiteQuantizationParams");
  context->DeallocateTempTfLiteTensor(tensor);
  return holds;
}

void* Init(TfLiteContext* context, const char* options, size_t size) {
  if (!Expect(size == 1, "init")) {
    return nullptr;
  }
  void* memory = GetMicroContext(context)->AllocatePersistentBuffer(sizeof(Data));
  if (memory != nullptr) {
    static_cast<Data*>(memory)->addend = options[0];
  }
  return memory;
}

TfLiteStatus Prepare(TfLiteContext* context, TfLiteNode* node) {
  MicroContext* micro_context = GetMicroContext(context);
  auto* data = static_cast<Data*>(node->user_data);
  bool holds = Expect(node->inputs->size == 1 && node->outputs->size == 1, "TfLiteNode") &&
               Expect(data != nullptr, "AllocatePersistentBuffer") &&
               Expect(node->custom_initial_data_size == 1 &&
                          *static_cast<const char*>(node->custom_initial_data) == data->addend,
                      "custom_initial_data") &&
               IsTensor(micro_context, node->inputs->data[0]) &&
               IsTensor(micro_context, node->outputs->data[0]);
  if (holds) {
    uint8_t* buffer = micro_context->AllocateTempBuffer(kElements, 16);
    holds = Expect(buffer != nullptr, "AllocateTempBuffer");
    if (holds) {
      std::memset(buffer, 0, kElements);
      micro_context->DeallocateTempBuffer(buffer);
    }
  }
  return holds ? micro_context->RequestScratchBufferInArena(kElements, &data->scratch)
               : kTfLiteError;
}

TfLiteStatus Invoke(TfLiteContext* context, TfLiteNode* node) {
  MicroContext* micro_context = GetMicroContext(context);
  const auto* data = static_cast<const Data*>(node->user_data);
  const TfLiteEvalTensor* input = micro_context->GetEvalTensor(node->inputs->data[0]);
  const TfLiteEvalTensor* output = micro_context->GetEvalTensor(node->outputs->data[0]);
  auto* scratch = static_cast<int8_t*>(micro_context->GetScratchBuffer(data->scratch));
  if (!Expect(input != nullptr && input->type == kTfLiteInt8 && AreExtents(input->dims) &&
                  output != nullptr && output->type == kTfLiteInt8 && AreExtents(output->dims),
              "TfLiteEvalTensor") ||
      !Expect(scratch != nullptr, "GetScratchBuffer")) {
    return kTfLiteError;
  }
  for (int i = 0; i < kElements; ++i) {
    scratch[i] = static_cast<int8_t>(input->data.int8[kElements - 1 - i] + data->addend);
  }
  std::memcpy(output->data.int8, scratch, kElements);
  return kTfLiteOk;
}

}  // namespace

TFLMRegistration RegisterSelfTest() {
  TFLMRegistration registration = {};
  registration.init = Init;
  registration.prepare = Prepare;
  registration.invoke = Invoke;
  return registration;
}

TfLiteStatus StackingPlanner::Init(unsigned char* scratch, int bytes) {
  offsets_ = reinterpret_cast<int*>(scratch);
  capacity_ = bytes / static_cast<int>(sizeof(int));
  count_ = 0;
  head_ = 0;
  return kTfLiteOk;
}

TfLiteStatus StackingPlanner::AddBuffer(int size, int first, int last) {
  return AddBuffer(size, first, last, head_);
}

TfLiteStatus StackingPlanner::AddBuffer(int size, int first, int last, int offset) {
  if (!Expect(count_ < capacity_ && size >= 0 && first <= last, "AddBuffer")) {
    return kTfLiteError;
  }
  offsets_[count_++] = offset;
  head_ = offset + size > head_ ? offset + size : head_;
  return kTfLiteOk;
}

TfLiteStatus StackingPlanner::GetOffsetForBuffer(int index, int* offset) {
  if (!Expect(index >= 0 && index < count_, "GetOffsetForBuffer")) {
    return kTfLiteError;
  }
  *offset = offsets_[index];
  return kTfLiteOk;
}

}  // namespace host
}  // namespace arenafit
