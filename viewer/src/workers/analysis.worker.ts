/** Starts the analysis worker, which computes over directions and firings off the page's thread. */
import { serve } from '../../../src/workers/serve.ts';
import { ownWebPort } from '../../../src/workers/web.ts';
import { createAnalysis } from './analysis.ts';

serve(ownWebPort(), createAnalysis());
