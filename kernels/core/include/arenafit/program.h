/* The program of a segment: the format.
 *
 * A segment is a piece of a network that is run a row at a time, see segment.h. Its program says
 * which tensors and operators there are, and has all that the operators need: geometry,
 * multipliers, biases, weights. It is one constant tensor of a model, little-endian, used in place
 * (from flash), at an address that is a multiple of 4, better of ARENAFIT_PROGRAM_ALIGNMENT. All
 * offsets in it are bytes from its start, so it may be anywhere.
 * plugin/arenafit/partial/encoding.py writes it.
 *
 *   arenafit_program                     32 bytes, the header
 *   arenafit_tensor[tensors]             16 bytes each
 *   arenafit_operator[operators]         16 bytes each, in topological order
 *   arenafit_goal[goals]                  4 bytes each
 *   int32_t[outputs * inputs]            the overlaps, see below
 *   uint16_t[operands]                   tensors that operators read, see arenafit_operator
 *   data                                 parameter structs, biases, weights, constants: anywhere in
 *                                        the rest, at multiples of 16 where the writer can choose;
 *                                        of 4 where 32-bit words are read
 *
 * ---- tensors --------------------------------------------------------------------------------
 *
 * A tensor has `rows` rows of `width` pixels of `channels` channels; a row is contiguous. What has
 * no rows has one; batches are always 1. Where it is, is its place:
 *
 *   INPUT, OUTPUT   whole, in the arena: number `offset` of the segment's inputs or outputs
 *   CONSTANT        whole, in the program from `offset` on
 *   WORKSPACE       in a ring of `ring` rows in the workspace from `offset` on: row y is at
 *                   offset + (y mod ring) * bytes of a row. Several tensors may have the same
 *                   bytes where the writer knows that they are never alive together.
 *
 * For the first three `ring` equals `rows`. Each input, and each output, of the segment is the
 * place of exactly one tensor; its dimensions there need not be those in the model, as long as the
 * bytes are. (So RESHAPE at a segment's edge costs nothing; and an audio model whose images have
 * one row has a row for each time step instead.)
 *
 * ---- order ------------------------------------------------------------------------------------
 *
 * An operator works in steps. Most make a row of their output in a step. The reducing ones
 * (ARENAFIT_GLOBAL_AVERAGE_POOL, ARENAFIT_GLOBAL_MAX_POOL, ARENAFIT_MEAN, ARENAFIT_FULLY_CONNECTED)
 * read a row of their input in a step, in order, and make their only row in the last one.
 *
 * A goal is an operator and a number of steps. The goals are reached one after the other:
 *
 *   take(operator):  for each of its operands, in order, that an operator makes:
 *                        while a row that the step reads is missing: take(operand's operator)
 *                    then do the step
 *   reach(goal):     while goal.operator has done fewer than goal.steps steps: take(goal.operator)
 *
 * In the end each output of the segment must be complete. With one output the only goal is its
 * operator with all of its steps. Several goals serve several outputs in turn; or channel slices
 * one after the other, which then share their rings' memory.
 *
 * The rows that a step reads are the rows of the window that lie inside the image, see the kinds
 * below. A step may read row y of a tensor while y >= (rows made) - ring: one whose ring is too
 * short is found by arenafit_segment_rehearse, which goes through all steps without computing.
 *
 * ---- overlaps ---------------------------------------------------------------------------------
 *
 * An output of the segment may be written over an input that fewer rows are needed of as more of
 * the output is made. overlaps[output * inputs + input] is the smallest
 * offset(input) - offset(output), in bytes, negative ones included, that the plan may use;
 * ARENAFIT_DISJOINT where they must not overlap. The rule: the row that a step makes counts as
 * written before the step reads anything. With rows of b bytes in the output and of a bytes in the
 * input, that is the largest
 *
 *   b * (rows of the output made when the step is done) - a * (first row of the input it reads)
 *
 * over the steps, of whatever operator, that read the input when the first of these two factors is
 * not 0. arenafit_segment_rehearse computes it, and refuses a program that claims less.
 *
 * ---- arithmetic -------------------------------------------------------------------------------
 *
 * Results are those of TFLM's reference kernels, bit for bit. `requantize(x, multiplier, shift)`
 * is TFLM's MultiplyByQuantizedMultiplier, with rounding twice. Multipliers are >= 0, shifts
 * from -31 to 30. Zero points are those of the model's tensors, unless it says "minus".
 */
#ifndef ARENAFIT_PROGRAM_H_
#define ARENAFIT_PROGRAM_H_

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define ARENAFIT_PROGRAM_MAGIC 0x31534641 /* "AFS1": version 1 */
#define ARENAFIT_PROGRAM_ALIGNMENT 16  /* bytes, of the workspace, and of the program for speed */
#define ARENAFIT_NO_OPERATOR 0xFFFF    /* arenafit_tensor.producer of what nothing makes */
#define ARENAFIT_DISJOINT INT32_MAX    /* an overlap that is none */
#define ARENAFIT_MAX_TAPS 32           /* rows of a window */
#define ARENAFIT_MAX_OPERANDS 16       /* of an operator */
#define ARENAFIT_MAX_REACH (1 << 20)   /* from the first tap of a window to the last, exclusive */
#define ARENAFIT_MAX_REDUCED (1 << 23) /* pixels of an average */

typedef struct {
  uint32_t magic;
  uint32_t checksum;  /* CRC-32 (zlib's) of everything behind it, up to `size` */
  uint32_t size;      /* bytes of the program, a multiple of 16 */
  uint32_t workspace; /* bytes, a multiple of 16; the first ARENAFIT_STATE_SIZE(operators)
                         are the interpreter's, the rest is for rings and sums */
  uint16_t inputs;    /* of the segment */
  uint16_t outputs;
  uint16_t tensors;
  uint16_t operators;
  uint16_t goals;
  uint16_t operands;    /* of all operators */
  uint16_t reserved[2]; /* 0 */
} arenafit_program;

/* Bytes at the start of the workspace that the interpreter takes: for each operator the steps it
 * has done and an entry of a stack, 4 bytes, rounded up to 16. */
#define ARENAFIT_STATE_SIZE(operators) (((uint32_t)(operators)*4u + 15u) & ~(uint32_t)15u)

typedef enum {
  ARENAFIT_TENSOR_S8 = 0,
  ARENAFIT_TENSOR_S16 = 1, /* unless a build has ARENAFIT_NO_S16 */
  ARENAFIT_TENSOR_F32 = 2, /* unless a build has ARENAFIT_NO_F32 */
  ARENAFIT_TENSOR_S32 = 3, /* sums of a convolution that goes on, see arenafit_conv */
  ARENAFIT_TENSOR_U8 = 4   /* what TABLE and DEQUANTIZE read, and TABLE makes */
} arenafit_tensor_type;

typedef enum {
  ARENAFIT_PLACE_WORKSPACE = 0,
  ARENAFIT_PLACE_INPUT = 1,
  ARENAFIT_PLACE_OUTPUT = 2,
  ARENAFIT_PLACE_CONSTANT = 3
} arenafit_place;

typedef struct {
  uint32_t offset;   /* bytes, a multiple of an element's, or a number: see above */
  uint16_t rows;     /* >= 1, as the next three */
  uint16_t ring;     /* rows that there is memory for, <= rows */
  uint16_t width;    /* pixels of a row */
  uint16_t channels; /* of a pixel */
  uint16_t producer; /* the operator that makes it, or ARENAFIT_NO_OPERATOR */
  uint8_t type;      /* arenafit_tensor_type */
  uint8_t place;     /* arenafit_place; what has a producer is in the workspace or an output */
} arenafit_tensor;

/* Kinds of operators, with the parameters and the operands that each has. Tensors are S8 where
 * nothing else is said, or F32 or S16 where there are parameters for them, see the end; "any" is
 * one and the same type but S32. X is an operand, Y the output. */
typedef enum {
  ARENAFIT_CONV_2D = 1,             /* arenafit_conv; X, or X and sums */
  ARENAFIT_DEPTHWISE_CONV_2D = 2,   /* arenafit_conv; X; Y has a multiple of X's channels */
  ARENAFIT_FULLY_CONNECTED = 3,     /* arenafit_conv; X of any shape; Y is 1 x 1 x channels */
  ARENAFIT_MAX_POOL_2D = 4,         /* arenafit_pool; X */
  ARENAFIT_AVERAGE_POOL_2D = 5,     /* arenafit_pool; X */
  ARENAFIT_GLOBAL_AVERAGE_POOL = 6, /* arenafit_pool, its window unused; X; Y is 1 x 1 */
  ARENAFIT_GLOBAL_MAX_POOL = 7,     /* arenafit_pool, its window unused; X; Y is 1 x 1 */
  ARENAFIT_MEAN = 8,                /* arenafit_mean, over rows and columns; X; Y is 1 x 1 */
  ARENAFIT_ADD = 9,                 /* arenafit_arithmetic; two X, each of Y's dimensions or */
  ARENAFIT_SUB = 10,                /*   repeated: its rows, width or channels may be 1 */
  ARENAFIT_MUL = 11,
  ARENAFIT_CONCATENATION = 12, /* arenafit_concatenation; 1 to ARENAFIT_MAX_OPERANDS X; any */
  ARENAFIT_PAD = 13,           /* arenafit_pad; X; any */
  ARENAFIT_TABLE = 14,         /* the parameters are int8_t[256]: y = table[(uint8_t)x]; X. Every
                                  function of a byte: RELU, LOGISTIC, QUANTIZE, ...; S8 or U8 */
  ARENAFIT_RESIZE_NEAREST_NEIGHBOR = 15, /* arenafit_resize; X; any */
  ARENAFIT_SOFTMAX = 16,                 /* arenafit_softmax, over the channels; X */
  ARENAFIT_QUANTIZE = 17,                /* arenafit_quantize; X of F32; Y of S8 or S16 */
  ARENAFIT_DEQUANTIZE = 18,              /* arenafit_quantize; X of S8, U8 or S16; Y of F32 */
  ARENAFIT_REQUANTIZE = 19,              /* arenafit_rescale; X and Y of S8 or S16, one of S16 */
  ARENAFIT_FEED = 20, /* arenafit_feed; no operand: the caller of the run makes Y's rows; any */
  ARENAFIT_LEAKY_RELU = 21, /* X; F32 or S16, for bytes it is a TABLE */
  ARENAFIT_CLAMP = 22       /* X; F32: RELU and RELU6 */
} arenafit_kind;

typedef struct {
  uint8_t kind;         /* arenafit_kind */
  uint8_t operands;     /* how many tensors it reads */
  uint16_t first;       /* index, in the program's operands, of the first of them */
  uint16_t output;      /* tensor that it makes: that tensor's producer is this operator */
  uint16_t reserved;    /* 0 */
  uint32_t parameters;  /* offset in the program, a multiple of 4 */
  uint32_t accumulator; /* offset in the workspace of int32_t[Y's channels], a multiple of 4, or
                           int64_t, of 8, for FULLY_CONNECTED of S16: sums
                           or maxima, for the reducing operators; but 0 for FULLY_CONNECTED where X
                           has one row, and for all others */
} arenafit_operator;

typedef struct {
  uint16_t operator_index;
  uint16_t steps; /* that it is to have done */
} arenafit_goal;

/* A window over rows and columns. Output pixel (r, c) looks at rows r * stride_h - pad_h +
 * i * dilation_h for i < kernel_h, as far as they are in the image, and columns likewise. The
 * padding behind the image follows from the output's extents. All but the pads are >= 1; kernel_h
 * <= ARENAFIT_MAX_TAPS. Every pooling window must have a pixel inside the image. */
typedef struct {
  uint16_t kernel_h, kernel_w;
  uint16_t stride_h, stride_w;
  uint16_t dilation_h, dilation_w; /* 1 for pooling */
  uint16_t pad_h, pad_w;           /* before the image */
} arenafit_window;

/* Of the three operators that multiply by weights. With x of an operand, k over the taps inside
 * the image and the input channels, n an output channel:
 *
 *   sum[n] = sums[n] + bias[n] + sum over k of (x[k] + input_offset) * weights[n][k]
 *   y[n] = clamp(requantize(sum[n], multipliers[n], shifts[n]) + output_offset)
 *
 * `sums` is the second operand of a convolution, S32 and of Y's dimensions; 0 without one. Where Y
 * is S32, y is sum: so a convolution of many input channels can be made of convolutions of a few
 * each, whose result is requantised once. The first of them has the bias, the others have 0.
 *
 * folded[n] is bias[n] + input_offset * sum of all weights[n]: what bias[n] becomes where no tap is
 * outside of the image, with x[k] alone to be multiplied.
 *
 * Weights are int8_t, of X with c channels and Y with n channels:
 *
 *   CONV_2D             [n][kernel_h][kernel_w][c / groups]
 *   DEPTHWISE_CONV_2D   [kernel_h][kernel_w][n]
 *   FULLY_CONNECTED     [n][rows][width][c]; the window is unused, all zero
 *
 * or, with ARENAFIT_LAYOUT_BLOCKS, in blocks of four output channels, at a multiple of 4; the last
 * n % 4 channels are as above, behind them. Not for grouped CONV_2D.
 *
 *   DEPTHWISE_CONV_2D   [n / 4][kernel_h][kernel_w][4]
 *   the others          [n / 4][run][...], where a run is of neighbours in X: a row of the window,
 *                       or where it is dilated a tap; a row of X for FULLY_CONNECTED
 *
 * A run of the filters a, b, c, d of a block is made of 16-bit numbers, each of two weights:
 * (a, b)[k] = 256 * b[k] + a[k]. Four k at a time as (a, b)[k], (a, b)[k + 2], (a, b)[k + 1],
 * (a, b)[k + 3], and the same of (c, d); then the last length % 4, as (a, b)[k], (c, d)[k]. So that
 * a pair fits, not every pair of bytes can be: b is not -128 where a < 0, nor d where c < 0.
 */
typedef enum {
  ARENAFIT_LAYOUT_PLAIN = 0, /* for vectors, or for CPUs with neither */
  ARENAFIT_LAYOUT_BLOCKS = 1 /* for DSP instructions */
} arenafit_layout;

typedef struct {
  arenafit_window window;
  int32_t input_offset; /* minus the zero point of X */
  int32_t output_offset;
  int32_t clamp_min, clamp_max;
  uint32_t weights;     /* offsets in the program */
  uint32_t bias;        /* int32_t[n]; 0 where no window leaves the image */
  uint32_t folded;      /* int32_t[n] */
  uint32_t multipliers; /* int32_t[n]; 0 where Y is S32, as is the next */
  uint32_t shifts;      /* int8_t[n] */
  uint16_t groups;      /* 1 but for grouped CONV_2D */
  uint16_t layout;      /* arenafit_layout */
} arenafit_conv;

/* An average is the sum of the pixels inside the image by their number, rounded to the nearest,
 * halves away from 0. */
typedef struct {
  arenafit_window window;
  int32_t clamp_min, clamp_max;
} arenafit_pool;

/* y = requantize(sum + sum_offset, multiplier, shift) + output_offset, clamped to int8_t. */
typedef struct {
  int32_t sum_offset; /* minus the zero point of X, times the pixels */
  int32_t multiplier; /* with 1 / pixels in it, as TFLM makes it */
  int32_t shift;
  int32_t output_offset;
} arenafit_mean;

/* For ADD and SUB:
 *   t[i] = requantize((x[i] + input_offset[i]) << left_shift, input_multiplier[i], input_shift[i])
 *   y = clamp(requantize(t[0] +- t[1], multiplier, shift) + output_offset)
 * with shifts <= 0. For MUL (left_shift and input_* beyond the offsets are 0):
 *   y = clamp(requantize((x[0] + input_offset[0]) * (x[1] + input_offset[1]), multiplier, shift)
 *             + output_offset) */
typedef struct {
  int32_t input_offset[2]; /* minus the zero points, -128 to 128 */
  int32_t input_multiplier[2];
  int32_t input_shift[2];
  int32_t left_shift; /* 0 to 22 */
  int32_t multiplier;
  int32_t shift;
  int32_t output_offset;
  int32_t clamp_min, clamp_max;
} arenafit_arithmetic;

typedef struct {
  uint32_t axis; /* 0: rows, 1: columns, 2: channels */
} arenafit_concatenation;

/* Before the image; what is behind it follows from Y's extents. The value is 0 but for bytes. */
typedef struct {
  uint16_t rows, columns, channels;
  int16_t value;
} arenafit_pad;

/* Row r of Y is made of row `rows[r]` of X, column c of its column `columns[c]`. */
typedef struct {
  uint32_t rows;    /* offset in the program of uint16_t[rows of Y], not descending */
  uint32_t columns; /* offset in the program of uint16_t[width of Y] */
} arenafit_resize;

/* As TFLM's: multiplier and left shift of the scaled differences, and the smallest of them that
 * counts. */
typedef struct {
  int32_t multiplier;
  int32_t left_shift;
  int32_t diff_min;
} arenafit_softmax;

/* QUANTIZE: y = x / scale to the nearest, halves away from 0, plus the zero point, clamped to Y's
 * type; of what is no number the zero point. DEQUANTIZE: y = scale * (x - zero_point). */
typedef struct {
  float scale; /* above 0, finite */
  int32_t zero_point;
} arenafit_quantize;

/* y = requantize(x + input_offset, multiplier, shift) + output_offset, clamped to Y's type. */
typedef struct {
  int32_t input_offset; /* minus the zero point of X */
  int32_t multiplier;
  int32_t shift;
  int32_t output_offset;
} arenafit_rescale;

/* Rows that come from outside, an image's while the camera is read; see arenafit_source in
 * segment.h. What would be a whole input in the arena is a ring in the workspace then. */
typedef struct {
  uint32_t input; /* what the caller calls it; no two operators have the same */
} arenafit_feed;

/* ---- parameters of operators whose tensors are F32 --------------------------------------------
 *
 * Sums are made in the order of taps, then of channels, and the bias comes last: that of TFLM's
 * reference kernels. Compiled without contraction of products and sums (GCC's -std=c11 or
 * -ffp-contract=off) results are the same to the bit; with it, on CPUs with a fused multiply-add,
 * they are as exact, but not the same. The same goes for TFLM itself. Bounds are no NaN, and may be
 * infinite. */

/* CONV_2D, DEPTHWISE_CONV_2D, FULLY_CONNECTED: y = clamp(sum of x * weights + bias). */
typedef struct {
  arenafit_window window;
  uint32_t weights; /* float[...], in the order of arenafit_conv; offset in the program */
  uint32_t bias;    /* float[n]; 0 where there is none */
  float clamp_min, clamp_max;
  uint16_t groups;   /* 1 but for grouped CONV_2D */
  uint16_t reserved; /* 0 */
} arenafit_conv_f32;

/* The pools; MEAN is a GLOBAL_AVERAGE_POOL. */
typedef struct {
  arenafit_window window;
  float clamp_min, clamp_max;
} arenafit_pool_f32;

/* ADD, SUB, MUL: of the result. CLAMP. */
typedef struct {
  float min, max;
} arenafit_range_f32;

/* y = x > 0 ? x : x * alpha. */
typedef struct {
  float alpha;
} arenafit_leaky_relu_f32;

/* ---- parameters of operators whose tensors are S16 --------------------------------------------
 *
 * Those of S8, with clamps of int16_t and zero points of 0; but for these. */

/* CONV_2D, DEPTHWISE_CONV_2D, FULLY_CONNECTED, as TFLM has them by the type of the bias: of int64_t
 * with sums of 64 bits and
 *
 *   y = clamp((sum * multiplier + 2^(14 - shift)) >> (15 - shift))
 *
 * which rounds once, with multipliers of 15 bits and shifts up to 7; of int32_t with sums of 32
 * bits and `requantize`. */
typedef struct {
  arenafit_window window;
  int32_t clamp_min, clamp_max;
  uint32_t weights;     /* int8_t[...], in the order of arenafit_conv; offsets in the program */
  uint32_t bias;        /* int64_t[n], or int32_t[n] if narrow; a multiple of 4; 0 for none */
  uint32_t multipliers; /* int32_t[n] */
  uint32_t shifts;      /* int8_t[n] */
  uint16_t groups;      /* 1 but for grouped CONV_2D */
  uint8_t narrow;       /* whether sums are of 32 bits */
  uint8_t reserved;     /* 0 */
} arenafit_conv_s16;

/* RELU, RELU6 and LEAKY_RELU: y = clamp(requantize(x, multiplier[x < 0], shift[x < 0])). */
typedef struct {
  int32_t multiplier[2];
  int32_t shift[2];
  int32_t clamp_min, clamp_max;
} arenafit_leaky_relu_s16;

#ifdef __cplusplus
}
#endif

#endif /* ARENAFIT_PROGRAM_H_ */
