// ARENAFIT_MAX_POOL_2D: MAX_POOL_2D whose output may lie over its input.
//
// The operator keeps nothing in the arena. What it needs to know is in its options, which are
// read, and checked, from the model each time.
#include "arenafit/max_pool.h"

#include "arenafit/register_ops.h"

namespace arenafit {
namespace tflm {
namespace {

struct Call {
  const TfLiteEvalTensor* input;
  TfLiteEvalTensor* output;
  arenafit_type type;
  arenafit_dims input_dims;
  arenafit_dims output_dims;
  arenafit_max_pool_2d_params params;
  int32_t claimed;
};

TfLiteStatus Refuse(const char* why) {
  MicroPrintf("%s: %s", kMaxPool2D, why);
  return kTfLiteError;
}

bool GetType(const TfLiteEvalTensor& tensor, arenafit_type* type) {
  switch (tensor.type) {
    case kTfLiteInt8:
      *type = ARENAFIT_S8;
      return true;
    case kTfLiteInt16:
      *type = ARENAFIT_S16;
      return true;
    case kTfLiteFloat32:
      *type = ARENAFIT_F32;
      return true;
    default:
      return false;
  }
}

bool GetDims(const TfLiteEvalTensor& tensor, arenafit_dims* dims) {
  if (tensor.dims == nullptr || tensor.dims->size != 4) {
    return false;
  }
  const int* extents = tensor.dims->data;
  *dims = {extents[0], extents[1], extents[2], extents[3]};
  return true;
}

// The operator that `node` stands for, with all of it checked that does not depend on where
// the tensors are.
TfLiteStatus GetCall(TfLiteContext* context, const TfLiteNode* node, Call* call) {
  if (node->inputs == nullptr || node->inputs->size != 1 || node->inputs->data[0] < 0 ||
      node->outputs == nullptr || node->outputs->size != 1 || node->outputs->data[0] < 0) {
    return Refuse("needs one input and one output");
  }
  MicroContext* micro_context = GetMicroContext(context);
  call->input = micro_context->GetEvalTensor(node->inputs->data[0]);
  call->output = micro_context->GetEvalTensor(node->outputs->data[0]);
  if (call->input == nullptr || call->output == nullptr) {
    return Refuse("needs one input and one output");
  }
  if (call->input->type != call->output->type || !GetType(*call->input, &call->type)) {
    return Refuse("tensors must both be int8, int16 or float32");
  }
  if (!GetDims(*call->input, &call->input_dims) || !GetDims(*call->output, &call->output_dims)) {
    return Refuse("tensors must have four dimensions");
  }
  const int size = node->custom_initial_data_size;
  arenafit_status status = arenafit_max_pool_2d_parse(
      static_cast<const uint8_t*>(node->custom_initial_data),
      size < 0 ? 0 : static_cast<size_t>(size), call->type, &call->params, &call->claimed);
  if (status == ARENAFIT_OK) {
    status = arenafit_max_pool_2d_check(&call->params, call->type, &call->input_dims,
                                        &call->output_dims);
  }
  return status == ARENAFIT_OK ? kTfLiteOk : Refuse(arenafit_status_text(status));
}

TfLiteStatus Prepare(TfLiteContext* context, TfLiteNode* node) {
  Call call;
  if (GetCall(context, node, &call) != kTfLiteOk) {
    return kTfLiteError;
  }
  const int32_t least =
      arenafit_max_pool_2d_overlap(&call.params, call.type, &call.input_dims, &call.output_dims);
  if (call.claimed < least) {
    MicroPrintf("%s: the model relies on an input %d bytes after the output, %d are safe",
                kMaxPool2D, static_cast<int>(call.claimed), static_cast<int>(least));
    return kTfLiteError;
  }
  return kTfLiteOk;
}

TfLiteStatus Eval(TfLiteContext* context, TfLiteNode* node) {
  Call call;
  if (GetCall(context, node, &call) != kTfLiteOk) {
    return kTfLiteError;
  }
  const void* input = call.input->data.data;
  void* output = call.output->data.data;
  if (input == nullptr || output == nullptr) {
    return Refuse("a tensor has no memory");
  }
  const arenafit_status status = arenafit_max_pool_2d_check_overlap(
      &call.params, call.type, &call.input_dims, input, &call.output_dims, output);
  if (status != ARENAFIT_OK) {
    return Refuse(arenafit_status_text(status));
  }
  switch (call.type) {
    case ARENAFIT_S8:
      arenafit_max_pool_2d_s8(&call.params, &call.input_dims, static_cast<const int8_t*>(input),
                              &call.output_dims, static_cast<int8_t*>(output));
      break;
    case ARENAFIT_S16:
      arenafit_max_pool_2d_s16(&call.params, &call.input_dims, static_cast<const int16_t*>(input),
                               &call.output_dims, static_cast<int16_t*>(output));
      break;
    case ARENAFIT_F32:
      arenafit_max_pool_2d_f32(&call.params, &call.input_dims, static_cast<const float*>(input),
                               &call.output_dims, static_cast<float*>(output));
      break;
  }
  return kTfLiteOk;
}

}  // namespace

TFLMRegistration RegisterMaxPool2D() {
  TFLMRegistration registration = {};
  registration.prepare = Prepare;
  registration.invoke = Eval;
  return registration;
}

}  // namespace tflm
}  // namespace arenafit
