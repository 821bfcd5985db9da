/** The TensorFlow.js backends that compute; our own kernels are registered for each. */
export const EAGER_BACKENDS = ['cpu', 'wasm', 'webgl', 'webgpu', 'tensorflow'];
