// ARENAFIT_SEGMENT: a piece of a network that is run a row at a time. And
// ARENAFIT_PARTIAL_CONV_2D: a convolution over slices of channels, which takes one of these programs.
//
// Their inputs are activations and, last, the program, a constant tensor of bytes; the workspace is
// scratch. In the persistent part of the arena they keep no more than the number of that.
#include "arenafit/segment.h"

#include "arenafit/register_ops.h"

namespace arenafit {
namespace tflm {
namespace {

// Activations in, and out, at most.
constexpr int kMaxTensors = 32;

struct Data {
  int scratch;
};

TfLiteStatus Refuse(const char* name, const char* why) {
  MicroPrintf("%s: %s", name, why);
  return kTfLiteError;
}

// The type in programs, and bytes of an element; 0 bytes for types that there are not.
struct Type {
  uint32_t id;
  size_t size;
};

Type TypeOf(const TfLiteEvalTensor* tensor) {
  switch (tensor->type) {
    case kTfLiteInt8:
      return {ARENAFIT_TENSOR_S8, sizeof(int8_t)};
    case kTfLiteUInt8:
      return {ARENAFIT_TENSOR_U8, sizeof(uint8_t)};
    case kTfLiteInt16:
      return {ARENAFIT_TENSOR_S16, sizeof(int16_t)};
    case kTfLiteFloat32:
      return {ARENAFIT_TENSOR_F32, sizeof(float)};
    default:
      return {0, 0};
  }
}

// Bytes of a tensor; 0 where it is none, or of another type.
size_t SizeOf(const TfLiteEvalTensor* tensor) {
  if (tensor == nullptr || tensor->dims == nullptr) {
    return 0;
  }
  uint64_t size = TypeOf(tensor).size;
  for (int i = 0; i < tensor->dims->size; ++i) {
    const int extent = tensor->dims->data[i];
    size = extent < 0 ? 0 : size * static_cast<uint64_t>(extent);
    if (size > INT32_MAX) {
      return 0;
    }
  }
  return static_cast<size_t>(size);
}

// Number `index` of an operator's inputs or outputs; nullptr where it is left out.
TfLiteEvalTensor* GetTensor(MicroContext* context, const TfLiteIntArray* indices, int index) {
  return indices->data[index] < 0 ? nullptr : context->GetEvalTensor(indices->data[index]);
}

// The program, if the counts are right.
const TfLiteEvalTensor* GetProgram(MicroContext* context, const TfLiteNode* node) {
  if (node->inputs == nullptr || node->inputs->size < 2 || node->inputs->size > kMaxTensors + 1 ||
      node->outputs == nullptr || node->outputs->size < 1 || node->outputs->size > kMaxTensors) {
    return nullptr;
  }
  return GetTensor(context, node->inputs, node->inputs->size - 1);
}

bool AreTensorsRight(MicroContext* context, const TfLiteNode* node,
                     const arenafit_program* program) {
  const int inputs = node->inputs->size - 1, outputs = node->outputs->size;
  if (program->inputs != inputs || program->outputs != outputs) {
    return false;
  }
  for (int i = 0; i < inputs; ++i) {
    const auto index = static_cast<uint32_t>(i);
    const TfLiteEvalTensor* tensor = GetTensor(context, node->inputs, i);
    if (SizeOf(tensor) != arenafit_segment_input_size(program, index) ||
        TypeOf(tensor).id != arenafit_segment_input_type(program, index)) {
      return false;
    }
  }
  for (int i = 0; i < outputs; ++i) {
    const auto index = static_cast<uint32_t>(i);
    const TfLiteEvalTensor* tensor = GetTensor(context, node->outputs, i);
    if (SizeOf(tensor) != arenafit_segment_output_size(program, index) ||
        TypeOf(tensor).id != arenafit_segment_output_type(program, index)) {
      return false;
    }
  }
  return true;
}

// Goes through the program's steps once, in memory that is given back.
TfLiteStatus Rehearse(MicroContext* context, const arenafit_program* program, const char* name) {
  uint8_t* state = context->AllocateTempBuffer(ARENAFIT_STATE_SIZE(program->operators),
                                               ARENAFIT_PROGRAM_ALIGNMENT);
  if (state == nullptr) {
    return Refuse(name, "no memory to check the program in");
  }
  const arenafit_segment_status status = arenafit_segment_rehearse(program, state);
  context->DeallocateTempBuffer(state);
  return status == ARENAFIT_SEGMENT_OK ? kTfLiteOk : Refuse(name, arenafit_segment_text(status));
}

void* Init(TfLiteContext* context, const char*, size_t) {
  return GetMicroContext(context)->AllocatePersistentBuffer(sizeof(Data));
}

TfLiteStatus Prepare(TfLiteContext* context, TfLiteNode* node, const char* name) {
  MicroContext* micro_context = GetMicroContext(context);
  const TfLiteEvalTensor* tensor = GetProgram(micro_context, node);
  // What has memory this early is a constant.
  if (tensor == nullptr || tensor->data.data == nullptr) {
    return Refuse(name, "needs inputs, a constant program as the last of them, and outputs");
  }
  const arenafit_segment_status status = arenafit_segment_check(tensor->data.data, SizeOf(tensor));
  if (status != ARENAFIT_SEGMENT_OK) {
    return Refuse(name, arenafit_segment_text(status));
  }
  const auto* program = static_cast<const arenafit_program*>(tensor->data.data);
  if (arenafit_segment_is_fed(program)) {
    return Refuse(name, arenafit_segment_text(ARENAFIT_SEGMENT_SOURCE));
  }
  if (!AreTensorsRight(micro_context, node, program)) {
    return Refuse(name, "the tensors are not those of the program");
  }
  if (Rehearse(micro_context, program, name) != kTfLiteOk) {
    return kTfLiteError;
  }
  auto* data = static_cast<Data*>(node->user_data);
  if (data == nullptr) {
    return Refuse(name, "no memory");
  }
  return micro_context->RequestScratchBufferInArena(arenafit_segment_get_buffer_size(program),
                                                    &data->scratch);
}

TfLiteStatus Eval(TfLiteContext* context, TfLiteNode* node, const char* name) {
  MicroContext* micro_context = GetMicroContext(context);
  const auto* program =
      static_cast<const arenafit_program*>(GetProgram(micro_context, node)->data.data);
  const void* inputs[kMaxTensors];
  void* outputs[kMaxTensors];
  for (int i = 0; i < node->inputs->size - 1; ++i) {
    inputs[i] = GetTensor(micro_context, node->inputs, i)->data.data;
    if (inputs[i] == nullptr) {
      return Refuse(name, "a tensor has no memory");
    }
  }
  for (int i = 0; i < node->outputs->size; ++i) {
    outputs[i] = GetTensor(micro_context, node->outputs, i)->data.data;
    if (outputs[i] == nullptr) {
      return Refuse(name, "a tensor has no memory");
    }
  }
  void* workspace =
      micro_context->GetScratchBuffer(static_cast<const Data*>(node->user_data)->scratch);
  if (workspace == nullptr) {
    return Refuse(name, "the workspace has no memory");
  }
  arenafit_segment_status status = arenafit_segment_check_overlap(program, inputs, outputs);
  if (status == ARENAFIT_SEGMENT_OK) {
    status = arenafit_segment_run(program, inputs, outputs, workspace, nullptr);
  }
  return status == ARENAFIT_SEGMENT_OK ? kTfLiteOk : Refuse(name, arenafit_segment_text(status));
}

TfLiteStatus PrepareSegment(TfLiteContext* context, TfLiteNode* node) {
  return Prepare(context, node, kSegment);
}

TfLiteStatus EvalSegment(TfLiteContext* context, TfLiteNode* node) {
  return Eval(context, node, kSegment);
}

TfLiteStatus PreparePartialConv2D(TfLiteContext* context, TfLiteNode* node) {
  const TfLiteStatus status = Prepare(context, node, kPartialConv2D);
  if (status != kTfLiteOk) {
    return status;
  }
  const auto* program = static_cast<const arenafit_program*>(
      GetProgram(GetMicroContext(context), node)->data.data);
  return arenafit_segment_is_partial_conv(program)
             ? kTfLiteOk
             : Refuse(kPartialConv2D, "the program is no convolution of its inputs");
}

TfLiteStatus EvalPartialConv2D(TfLiteContext* context, TfLiteNode* node) {
  return Eval(context, node, kPartialConv2D);
}

TFLMRegistration Registration(TfLiteStatus (*prepare)(TfLiteContext*, TfLiteNode*),
                              TfLiteStatus (*invoke)(TfLiteContext*, TfLiteNode*)) {
  TFLMRegistration registration = {};
  registration.init = Init;
  registration.prepare = prepare;
  registration.invoke = invoke;
  return registration;
}

}  // namespace

TFLMRegistration RegisterSegment() { return Registration(PrepareSegment, EvalSegment); }

TFLMRegistration RegisterPartialConv2D() {
  return Registration(PreparePartialConv2D, EvalPartialConv2D);
}

}  // namespace tflm
}  // namespace arenafit
