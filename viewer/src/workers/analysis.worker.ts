/** The analysis worker: reckons over directions and firings, so that the page never does. */
import { serve } from '../../../src/workers/serve.ts';
import { ownWebPort } from '../../../src/workers/web.ts';
import { createAnalysis } from './analysis.ts';

serve(ownWebPort(), createAnalysis());
