/* Shapes and windows: what operators must have of them, whatever the type. */
#include "segment_check.h"

/* One axis of a window: the first must reach the image, the last begin in it. A pooling window of
 * neighbouring pixels has one in the image then, wherever it is. */
static int is_axis(int32_t size, int32_t out, int32_t kernel, int32_t stride, int32_t dilation,
                   int32_t pad) {
  return kernel >= 1 && stride >= 1 && dilation >= 1 &&
         (int64_t)(kernel - 1) * dilation < ARENAFIT_MAX_REACH && pad <= (kernel - 1) * dilation &&
         (int64_t)(out - 1) * stride - pad < size;
}

/* Whether a window has a tap in the image wherever it is, if its taps are neighbours. */
static int is_window(const call* it, const arenafit_window* window) {
  return window->kernel_h <= ARENAFIT_MAX_TAPS &&
         is_axis(it->x->rows, it->y->rows, window->kernel_h, window->stride_h, window->dilation_h,
                 window->pad_h) &&
         is_axis(it->x->width, it->y->width, window->kernel_w, window->stride_w, window->dilation_w,
                 window->pad_w);
}

int arenafit_has_accumulator(const call* it) {
  return arenafit_is_workspace(it->program, it->op->accumulator, it->y->channels * sizeof(int32_t),
                               4);
}

status arenafit_check_product(const call* it, const arenafit_window* window, uint32_t groups,
                              uint64_t* weights) {
  const arenafit_tensor *x = it->x, *y = it->y;
  const uint32_t kind = it->op->kind;
  if (kind == ARENAFIT_CONV_2D
          ? groups == 0 || x->channels % groups != 0 || y->channels % groups != 0
          : groups != 1) {
    return ARENAFIT_SEGMENT_SHAPE;
  }
  if (kind == ARENAFIT_FULLY_CONNECTED) {
    *weights = elements(x) * y->channels;
    return is_pixel(y, y->channels) ? ARENAFIT_SEGMENT_OK : ARENAFIT_SEGMENT_SHAPE;
  }
  if (kind == ARENAFIT_DEPTHWISE_CONV_2D && y->channels % x->channels != 0) {
    return ARENAFIT_SEGMENT_SHAPE;
  }
  const uint32_t depth = kind == ARENAFIT_CONV_2D ? x->channels / groups : 1;
  *weights = (uint64_t)window->kernel_h * window->kernel_w * depth * y->channels;
  return is_window(it, window) ? ARENAFIT_SEGMENT_OK : ARENAFIT_SEGMENT_PARAMETERS;
}

status arenafit_check_pool(const call* it, const arenafit_window* window) {
  if (it->x->channels != it->y->channels) {
    return ARENAFIT_SEGMENT_SHAPE;
  }
  return is_window(it, window) && window->dilation_h == 1 && window->dilation_w == 1
             ? ARENAFIT_SEGMENT_OK
             : ARENAFIT_SEGMENT_PARAMETERS;
}

status arenafit_check_reduction(const call* it) {
  if (!is_pixel(it->y, it->x->channels)) {
    return ARENAFIT_SEGMENT_SHAPE;
  }
  /* Sums of bytes, and half of their number, must stay in range: they are divided by it. */
  const int fits = (uint64_t)it->x->rows * it->x->width <= ARENAFIT_MAX_REDUCED;
  return fits && arenafit_has_accumulator(it) ? ARENAFIT_SEGMENT_OK : ARENAFIT_SEGMENT_PARAMETERS;
}

const kind* arenafit_common_kind(const common_kinds* kinds, uint32_t id) {
  const kind* found = NULL;
  switch (id) {
    case ARENAFIT_CONV_2D:
      found = &kinds->conv;
      break;
    case ARENAFIT_DEPTHWISE_CONV_2D:
      found = &kinds->depthwise;
      break;
    case ARENAFIT_FULLY_CONNECTED:
      found = &kinds->fully_connected;
      break;
    case ARENAFIT_MAX_POOL_2D:
    case ARENAFIT_AVERAGE_POOL_2D:
      found = &kinds->pool;
      break;
    case ARENAFIT_GLOBAL_AVERAGE_POOL:
    case ARENAFIT_GLOBAL_MAX_POOL:
      found = &kinds->global_pool;
      break;
    case ARENAFIT_MEAN:
      found = &kinds->mean;
      break;
    case ARENAFIT_ADD:
    case ARENAFIT_SUB:
    case ARENAFIT_MUL:
      found = &kinds->arithmetic;
      break;
    default:
      break;
  }
  return found != NULL && found->check != NULL ? found : NULL;
}

int arenafit_are_operands_repeated(const call* it) {
  for (uint32_t i = 0; i < 2; ++i) {
    const arenafit_tensor* x = arenafit_operand(&it->program->parts, it->op, i);
    if ((x->rows != 1 && x->rows != it->y->rows) || (x->width != 1 && x->width != it->y->width) ||
        (x->channels != 1 && x->channels != it->y->channels)) {
      return 0;
    }
  }
  return 1;
}
